"""What a machine asks, read from its request without trusting any of it."""

import re
from urllib.parse import parse_qsl, unquote

from django.http import HttpRequest

from portal.audit.services import System
from portal.credentials import verification
from portal.gateway.services import report_suspected_leak
from portal.gateway.signing import LONGEST
from portal.programs.models import SCOPE_PATTERN

_BEARER = re.compile(r"Bearer +([!-~]+)", re.IGNORECASE)
_SCOPE = re.compile(SCOPE_PATTERN.replace("$", r"\Z"))
_LONGEST_HEADER = LONGEST + len("Bearer ")
_LONGEST_FORM = 16 * 1024  # a token and a key
_MOST_FIELDS = 20
FORM = "application/x-www-form-urlencoded"

# Where a key has no business: access logs, histories and referrers keep these.
OPEN_PLACES = {
    "path": "PATH_INFO",
    "query": "QUERY_STRING",
    "cookie": "HTTP_COOKIE",
    "original_uri": "HTTP_X_ORIGINAL_URI",
    "forwarded_uri": "HTTP_X_FORWARDED_URI",
}


def bearer(request: HttpRequest) -> str | None:
    """Return the key or token presented, None without an Authorization header, "" for one that is
    unusable.

    The server joins several headers with a comma, which no key holds: they are refused.
    """
    return bearer_of(request.META.get("HTTP_AUTHORIZATION"))


def bearer_of(header: str | None) -> str | None:
    """`bearer`, of the header alone."""
    if header is None:
        return None
    found = _BEARER.fullmatch(header) if len(header) <= _LONGEST_HEADER else None
    return found[1] if found else ""


def needed_scope(request: HttpRequest, rest: str) -> str | None:
    """Return the scopes the gateway needs, with spaces between; None if it names none properly.

    From `?scope=` and `X-Required-Scope`. When both name some all are needed, so that a client
    whose header reaches us can only narrow what it gets. Envoy appends the client's own path and
    query (`rest`) to our address; there only the header counts, which Envoy sets.
    """
    asked = [] if rest else request.GET.getlist("scope")
    return scopes_of([request.headers.get("X-Required-Scope", ""), *asked])


def scopes_of(named: list[str]) -> str | None:
    """`needed_scope`, of what was named in one place and another."""
    scopes = [scope for part in named for scope in part.split(" ") if scope]
    return " ".join(scopes) if scopes and all(map(_SCOPE.match, scopes)) else None


def form(request: HttpRequest) -> dict[str, str] | None:
    """The fields of a form-encoded body, each given once (RFC 6749, section 3.2); one without a
    value is not given. None for any other request.
    """
    if request.META.get("QUERY_STRING") or request.content_type != FORM:
        return None
    if body_length(request) > _LONGEST_FORM:
        return None
    try:
        pairs = parse_qsl(
            request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:  # not UTF-8, too many fields
        return None
    if len({name for name, _ in pairs}) < len(pairs):
        return None
    return {name: value for name, value in pairs if value}


def body_length(request: HttpRequest) -> int:
    declared = request.META.get("CONTENT_LENGTH") or ""
    return int(declared) if declared.isdecimal() and declared.isascii() else 0


def key_in_the_open(request: HttpRequest) -> bool:
    """Whether a key stands where logs would keep it. A genuine one is noted as a suspected leak."""
    for place, name in OPEN_PLACES.items():
        text = request.META.get(name, "")
        token = verification.find_key(text) or verification.find_key(unquote(text))
        if token is not None:
            facts = verification.genuine(token)
            if facts is not None:
                report_suspected_leak(kid=facts.kid, place=place, by=System("gateway"))
            return True
    return False
