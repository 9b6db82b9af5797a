"""Of all grants at once what `verification.LEVELS` says of any key under each: the first level that
refuses them all, or none.

A door asks about one key (facts.py), and looks up what that one rests on. Here every table is read
once and joined, which for many takes an eighth of looking each up.
tests/unit/credentials/test_judged.py holds the answers to those of the doors.
"""

from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from portal.credentials.enums import DenyCode
from portal.verdict import Verdict, deny

# For `judged_at`: `stop` are the freezes in force, `judged` every grant, with the code of why no
# key under it works. A freeze on everything is left out, as it takes one look for all of them; it
# would be told last. The order is that of LEVELS.
_JUDGED = """
    terms AS (
        SELECT DISTINCT ON (release_id) release_id, id, sha256 FROM programs_agreementversion
        ORDER BY release_id, number DESC),
    stop AS MATERIALIZED (SELECT level, target FROM credentials_freeze WHERE lifted_at IS NULL),
    judged AS (
        SELECT right_.id, CASE
            WHEN right_.status <> 'active' THEN 'grant_not_active'
            WHEN right_.starts_at > NOW OR NOW >= right_.ends_at THEN 'grant_out_of_dates'
            WHEN NOT holder.is_active OR holder.suspended_at IS NOT NULL THEN 'holder_not_active'
            WHEN partner.suspended_at IS NOT NULL THEN 'organization_not_active'
            WHEN partner.id IS NOT NULL AND membership.id IS NULL THEN 'not_a_member'
            WHEN phase.halted_at IS NOT NULL THEN 'phase_halted'
            WHEN terms.id IS NOT NULL AND signature.id IS NULL THEN 'agreement_not_current'
            WHEN holder.ref IN (SELECT target FROM stop WHERE level = 'person')
                THEN 'frozen_person'
            WHEN partner.ref IN (SELECT target FROM stop WHERE level = 'organization')
                THEN 'frozen_organization'
            WHEN phase.ref IN (SELECT target FROM stop WHERE level = 'phase')
                THEN 'frozen_phase'
            WHEN release.ref IN (SELECT target FROM stop WHERE level = 'release')
                THEN 'frozen_release'
            END AS why
        FROM credentials_grant AS right_
        JOIN accounts_user AS holder ON holder.id = right_.holder_id
        JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
        JOIN programs_modelrelease AS release ON release.id = phase.release_id
        LEFT JOIN accounts_organization AS partner ON partner.id = right_.organization_id
        LEFT JOIN accounts_membership AS membership
          ON membership.organization_id = partner.id AND membership.user_id = right_.holder_id
        LEFT JOIN terms ON terms.release_id = release.id
        LEFT JOIN programs_signature AS signature
          ON signature.agreement_id = terms.id AND signature.user_id = right_.holder_id
             AND signature.sha256 = terms.sha256)
"""


def judged_at(now: str) -> str:
    """To go after a WITH; `now` is SQL for the time."""
    return _JUDGED.replace("NOW", now)


_OF_THESE = """
    WITH JUDGED
    SELECT id, COALESCE(why, 'frozen_everything') FROM judged
    WHERE id = ANY(%(grants)s)
      AND (why IS NOT NULL OR EXISTS (SELECT FROM stop WHERE level = 'everything'))
    """.replace("JUDGED", judged_at("%(now)s"))
_VERDICTS = {code.value: deny(code.value, str(code.label)) for code in DenyCode}


def refused_grants(grants: Iterable[int]) -> dict[int, Verdict]:
    """Why no key under them works now, by the grant's id, of those of these under which none does.

    What is about one key, its own state, dates, kind and scopes, and a case that holds it, is left
    out: a new key has its own. One statement, however many there are.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OF_THESE, {"now": timezone.now(), "grants": list(grants)})
        return {grant: _VERDICTS[code] for grant, code in cursor.fetchall()}
