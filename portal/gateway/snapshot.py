"""The portal's signed word for gateways that judge tokens by themselves: what is frozen, and whose
tokens issued up to which second are refused (docs/adr/0010). They ask once a second.

A gateway is told of what is under its own release. What moves elsewhere leaves an epoch of the
place it was in (migration 0004), so a gateway learns of that, too. A level nobody thought of here
is told to everybody: gateways refuse the whole word of one they do not know.
"""

import json
from typing import Any, Final

from django.conf import settings

from portal.gateway import signing, statuslist
from portal.gateway.tokens import LIFE
from portal.prepared import TextStatement

TYPE: Final = "access-snapshot+jwt"
HOLDS: Final = 15  # seconds
# What a gateway may grant at the end of a token's life, and how old its last snapshot may be then.
LEEWAY: Final = 5
# Seconds: after that no token from before an epoch opens a door. forget_epochs keeps them longer.
KEPT: Final = LIFE + LEEWAY + HOLDS
# Epochs told one by one. Beyond that one of the whole release stands for all of them.
MOST: Final = 1_000

# In a statement of its own, because a statement sees what had committed when it began: so a
# snapshot holds all that had committed when its number was taken. Numbered afterwards, one read
# before a revocation could be numbered after another that was read later and holds it; a gateway
# would take the older word for the newer. A gateway asks one question at a time, so of two
# that it is answered the later was also read later.
_VERSION = TextStatement("snapshot_version", "SELECT nextval('credentials_snapshot_version')")

# `about` is a subject's level, `ref` its reference.
_CONCERNS = """
    CASE about
        WHEN 'gateway' THEN false
        WHEN 'key_end' THEN false  -- no token outlives it; migration 0003
        WHEN 'release' THEN subject.ref = release.ref
        WHEN 'phase' THEN EXISTS (
            SELECT FROM programs_rolloutphase AS phase
            WHERE phase.ref = subject.ref AND phase.release_id = release.id)
        WHEN 'grant' THEN EXISTS (
            SELECT FROM credentials_grant AS right_
            JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
            WHERE right_.ref = subject.ref AND phase.release_id = release.id)
        WHEN 'key' THEN EXISTS (
            SELECT FROM credentials_credential AS key
            JOIN credentials_grant AS right_ ON right_.id = key.grant_id
            JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
            WHERE key.kid = subject.ref AND phase.release_id = release.id)
        WHEN 'organization' THEN EXISTS (
            SELECT FROM accounts_organization AS partner
            JOIN credentials_grant AS right_ ON right_.organization_id = partner.id
            JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
            WHERE partner.ref = subject.ref AND phase.release_id = release.id)
        WHEN 'person' THEN EXISTS (
            SELECT FROM accounts_user AS holder
            JOIN credentials_grant AS right_ ON right_.holder_id = holder.id
            JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
            WHERE holder.ref = subject.ref AND phase.release_id = release.id)
        ELSE true END
"""
# One statement, so freezes and epochs are of one moment, which is not before the time it tells.
_SQL = """
    SELECT release.ref, extract(epoch FROM statement_timestamp()),
        (SELECT json_agg(json_build_object('level', about, 'ref', subject.ref))
         FROM (SELECT level AS about, target AS ref FROM credentials_freeze
               WHERE lifted_at IS NULL) AS subject
         WHERE CONCERNS_IT),
        (SELECT json_object_agg(subject.name, subject.at)
         FROM (SELECT subject AS name, split_part(subject, ':', 1) AS about,
                      split_part(subject, ':', 2) AS ref,
                      floor(extract(epoch FROM max(at)))::bigint AS at
               FROM credentials_epoch
               WHERE at > statement_timestamp() - $2::interval
               GROUP BY subject) AS subject
         WHERE CONCERNS_IT)
    FROM programs_modelrelease AS release WHERE release.audience = $1
    """
_STATE = TextStatement("snapshot", _SQL.replace("CONCERNS_IT", _CONCERNS))


def make(*, audience: str, nonce: str) -> str | None:
    """Return the signed snapshot that answers this question; None if the model is gone.

    Raises OperationalError when PostgreSQL does not say in time.
    """
    version = _VERSION.row()
    state = _STATE.row(audience, f"{KEPT} seconds")
    if version is None or state is None:
        return None
    release_ref, now, freezes, epochs = state
    issued_at = float(now)
    claims = {
        "iss": settings.BASE_URL,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + HOLDS,
        "version": int(version[0]),
        "nonce": nonce,
        "freezes": json.loads(freezes) if freezes else [],
        "epochs": _bounded(json.loads(epochs) if epochs else {}, release_ref),
        "status_lists": [statuslist.address()],
    }
    return signing.sign(claims, typ=TYPE)


def _bounded(epochs: dict[str, int], release_ref: str) -> dict[str, Any]:
    """All of them, or the one that refuses all they do: a day on which a thousand keys go one by
    one costs everybody a new token, and no gateway megabytes a second.
    """
    if len(epochs) <= MOST:
        return epochs
    return {f"release:{release_ref}": max(epochs.values())}
