"""What takes two people, as the database holds it."""

from django.db.models import CheckConstraint, F, Q


def confirmed_by_two(table: str) -> CheckConstraint:
    """Where it needs a second, whoever confirms is another than who asked, of the same keys."""
    return CheckConstraint(
        name=f"{table}_confirmed_by_two",
        condition=Q(needs_second=False)
        | Q(confirmed_by__isnull=True)
        | (Q(asked_by__isnull=False, asked_digest=F("digest")) & ~Q(asked_by=F("confirmed_by"))),
    )
