"""What both middlewares share: who is let in, and the words for those who are not."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus

from access_verifier.codes import Code
from access_verifier.decision import Verdict
from access_verifier.identity import Identity
from access_verifier.verifier import Verifier

CHALLENGE = 'Bearer realm="trusted-access"'
RETRY_AFTER = "2"

# Names the application behind trusts. "X_Access_Subject" is the same name to many servers.
TRUSTED = "x-access-"

_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?:^|[&;?])access_token=", re.IGNORECASE)
_SHORTEST = 20  # what is shorter may stand in an address by chance, and is no token anyway
_SCOPES = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")

Scope = str | Callable[[Any], str]


class AccessEnded(Exception):
    """Raised into a stream whose caller may no longer have it; `code` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"access ended: {verdict.code}")
        self.verdict = verdict
        self.code = verdict.code


@dataclass(frozen=True, slots=True)
class Refusal:
    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Gate:
    """Judges requests by what they carry. The same bytes for whatever is wrong with a token."""

    def __init__(self, verifier: Verifier, required_scope: Scope) -> None:
        if isinstance(required_scope, str):
            _proper(required_scope)
        self.verifier = verifier
        self._required = required_scope
        get_another = (
            f"Get another at {verifier.issuer}/oauth/token with your key; "
            f"{verifier.issuer}/access/ says whether the key works."
        )
        self._nothing = _refusal(
            HTTPStatus.UNAUTHORIZED,
            "invalid_token",
            f"Send an access token as: Authorization: Bearer ... {get_another}",
            ("WWW-Authenticate", CHALLENGE),
        )
        self._bad = _refusal(
            HTTPStatus.UNAUTHORIZED,
            "invalid_token",
            f"This access token gives no access. {get_another}",
            ("WWW-Authenticate", f'{CHALLENGE}, error="invalid_token"'),
        )
        self._exposed = _refusal(
            HTTPStatus.BAD_REQUEST,
            "invalid_request",
            "An access token was sent in an address or a cookie, where logs keep it. Send it in "
            f"one Authorization header only. {get_another}",
            ("WWW-Authenticate", f'{CHALLENGE}, error="invalid_request"'),
        )
        self._unknown = _refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "Access cannot be checked at the moment. Try again in a few seconds.",
            ("Retry-After", RETRY_AFTER),
        )

    def judge(
        self, request: Any, *, authorization: Sequence[str], address: str, cookie: str
    ) -> Identity | Refusal:
        """Return who calls, or what to answer instead of asking the application.

        `request` is what a callable scope is asked about; `address` its path and query. Raises
        ValueError when it names no proper scope: a forgotten scope never opens a door.
        """
        address = unquote_plus(address)
        if _IN_QUERY.search(address):
            return self._exposed
        if not authorization:
            return self._nothing
        found = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if found is None:
            return self._bad
        token = found[1]
        if len(token) >= _SHORTEST and (token in address or token in cookie):
            return self._exposed
        required = self._required
        scope = required if isinstance(required, str) else _proper(required(request))
        verdict = self.verifier.verify(token, scope)
        if verdict and verdict.identity is not None:
            return verdict.identity
        return self.refusal(verdict, scope)

    def refusal(self, verdict: Verdict, scope: str = "") -> Refusal:
        """RFC 6750, section 3.1; 503 when it cannot be known."""
        if verdict.code.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
            return self._unknown
        if verdict.code is Code.SCOPE_NOT_HELD:
            return _refusal(
                HTTPStatus.FORBIDDEN,
                "insufficient_scope",
                f"This access token does not hold what this call needs: {scope}. "
                f"{self.verifier.issuer}/access/ says what your key may do.",
                (
                    "WWW-Authenticate",
                    f'{CHALLENGE}, error="insufficient_scope", scope="{scope}"',
                ),
            )
        return self._bad


def is_trusted_name(name: str) -> bool:
    """Whether a client's header would be taken for one of ours."""
    return name.lower().replace("_", "-").startswith(TRUSTED)


def _proper(scope: Any) -> str:
    if isinstance(scope, str) and _SCOPES.fullmatch(scope):
        return scope
    raise ValueError("The scope a call needs is one or more words with single spaces between.")


def _refusal(status: HTTPStatus, code: str, what: str, *headers: tuple[str, str]) -> Refusal:
    body = json.dumps({"error": code, "error_description": what}).encode()
    always = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    )
    return Refusal(status, (*always, *headers), body)
