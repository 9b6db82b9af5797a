"""At the elevated and the critical tier two reviewers have to agree at least, at the standard one.

Phases that asked for fewer ask for so many from now on, and the log says of each what it was.
"""

from django.core.validators import MinValueValidator
from django.db import migrations, models

_TIERS = {"standard": 1, "elevated": 2, "critical": 2}
_FEW = " OR ".join(f"reviewers_{tier} < {least}" for tier, least in _TIERS.items())
_RAISED = ", ".join(
    f"reviewers_{tier} = greatest(reviewers_{tier}, {least})" for tier, least in _TIERS.items()
)
_TOLD = ", ".join(
    f"'reviewers_{tier}', CASE WHEN few.reviewers_{tier} < {least} THEN {least} END,"
    f" 'reviewers_{tier}_was',"
    f" CASE WHEN few.reviewers_{tier} < {least} THEN few.reviewers_{tier} END"
    for tier, least in _TIERS.items()
)
# All three parts see the rows as they were.
RAISE = f"""
WITH few AS (SELECT * FROM programs_rolloutphase WHERE {_FEW}),
raised AS (UPDATE programs_rolloutphase SET {_RAISED} WHERE {_FEW})
INSERT INTO audit_event (at, kind, actor, subject, thread, request_id, payload)
SELECT clock_timestamp(), 'phase.saved', 'system:migration', few.ref, few.ref, '',
    jsonb_strip_nulls(jsonb_build_object({_TOLD}))
FROM few;
"""  # noqa: S608 - names of our own columns, and numbers


def _field(tier: str) -> models.PositiveSmallIntegerField:
    least = _TIERS[tier]
    who = "One reviewer has" if least == 1 else "Two reviewers have"
    told = f"{who} to agree at least at the {tier} tier. Give {least} or more."
    return models.PositiveSmallIntegerField(
        default=least, validators=[MinValueValidator(least, told)]
    )


class Migration(migrations.Migration):
    dependencies = [
        ("programs", "0002_append_only"),
        ("audit", "0005_bytes_not_words"),
    ]

    operations = [
        migrations.RunSQL(RAISE, migrations.RunSQL.noop),
        *(
            migrations.AlterField("rolloutphase", f"reviewers_{tier}", _field(tier))
            for tier in _TIERS
        ),
        migrations.AddConstraint(
            "rolloutphase",
            models.CheckConstraint(
                condition=models.Q(
                    reviewers_standard__gte=1, reviewers_elevated__gte=2, reviewers_critical__gte=2
                ),
                name="phase_enough_reviewers",
            ),
        ),
    ]
