"""Why access was refused. For logs and metrics of the gateway; callers get one of four answers."""

from enum import StrEnum
from http import HTTPStatus


class Code(StrEnum):
    """Stable names of the reasons; the same sentence in two places means the same name."""

    ALLOWED = "allowed"

    # Nothing can be said now: too little was heard from the portal, or too long ago.
    SNAPSHOT_STALE = "snapshot_stale"
    STATUS_LIST_STALE = "status_list_stale"
    KEYS_STALE = "signing_keys_stale"

    # The token is none of ours, or not for here, or not for now.
    MALFORMED = "malformed"
    UNKNOWN_SIGNING_KEY = "unknown_signing_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_KIND = "wrong_kind"
    NOT_YET_VALID = "not_yet_valid"
    LIVES_TOO_LONG = "lives_too_long"
    EXPIRED = "expired"

    # The portal has said no since. Verdict.level tells at which level.
    FROZEN = "frozen"
    REVOKED = "revoked"
    STATUS_NOT_VALID = "status_not_valid"

    # The token is good and does not reach this far.
    SCOPE_NOT_HELD = "scope_not_held"

    @property
    def http_status(self) -> HTTPStatus:
        """What a caller is told: 200, 401, 403 or 503."""
        return _STATUS.get(self, HTTPStatus.UNAUTHORIZED)


_STATUS = {
    Code.ALLOWED: HTTPStatus.OK,
    Code.SNAPSHOT_STALE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.STATUS_LIST_STALE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.KEYS_STALE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.SCOPE_NOT_HELD: HTTPStatus.FORBIDDEN,
}


class Unreadable(Exception):
    """Something signed was refused before its claims counted; `code` says why."""

    def __init__(self, code: Code, what: str) -> None:
        super().__init__(what)
        self.code = code
