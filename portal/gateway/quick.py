"""The common case without the framework: a well-formed question about a key that works.

Django's request, its middleware and its answer take longer than all that is decided here. So the
web entry (portal/wsgi.py) asks this first. It says yes, or that it cannot know: whatever is
unusual, and every no, goes the long way to portal/gateway/views.py, which asks the same functions.
Nothing is let through here that would be refused there; tests/edges/test_quick.py puts both side
by side.
"""

import functools
import io
import json
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs, unquote
from wsgiref.types import StartResponse, WSGIEnvironment

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from portal.credentials import remembered
from portal.credentials.facts import Facts
from portal.credentials.known import Known
from portal.credentials.verification import is_plausible, verify
from portal.gateway import answers
from portal.gateway.asking import FORM, OPEN_PLACES, bearer_of, scopes_of
from portal.gateway.authentication import authenticate
from portal.gateway.noting import note_yes
from portal.gateway.outage import tell_outage
from portal.metrics import note_decision
from portal.request_id import believed, under

Headers = list[tuple[str, str]]
Found = tuple[Headers, bytes]
Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

_LONGEST_FORM = 512
_FIELDS = re.compile(rb"token=([0-9A-Za-z_]+)(?:&token_type_hint=[0-9A-Za-z_-]*)?")
_JSON = [("Content-Type", "application/json")]
_OPEN = tuple(OPEN_PLACES.values())
_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"


def quick(application: Application) -> Application:
    """Wrap the portal's own entry."""
    always = _headers()

    def entry(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = _ANSWERS.get(environ["PATH_INFO"])
        if answer is None:
            return application(environ, start)
        began, door = time.perf_counter(), environ["PATH_INFO"].rpartition("/")[2]
        status, code, asked = "200 OK", "allowed", environ.get("HTTP_X_REQUEST_ID")
        try:
            found = answer(environ)
        except (DatabaseError, InterfaceError) as error:
            # The long way would only wait for the same silence once more.
            asked = _tell_outage(door, believed(asked), error)
            status, code, found = "503 Service Unavailable", "unavailable", _unavailable()
        if found is None:
            return application(environ, start)
        headers, body = found
        note_decision(door=door, code=code, seconds=time.perf_counter() - began)
        named = [("X-Request-Id", believed(asked))] if asked else []
        start(status, [*always, *named, *headers, ("Content-Length", str(len(body)))])
        return [body]

    return entry


def _tell_outage(door: str, name: str, error: Exception) -> str:
    """As the long way does: under an id, which it returns, that the caller is told as well."""
    with under(name):
        tell_outage(door, error)
    return name


def _headers() -> Headers:
    """What the middleware that is passed by would add to an answer that is no page."""
    headers = [
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("Content-Security-Policy", _CSP),
    ]
    if settings.SECURE_HSTS_SECONDS:
        value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        headers.append(("Strict-Transport-Security", value))
    return headers


def _unavailable() -> Found:
    said = answers.unavailable()
    names = ("Content-Type", "Retry-After")
    return [(name, said[name]) for name in names], said.content


def _introspect(environ: WSGIEnvironment) -> Found | None:
    token = _form_token(environ)
    if token is None or _looks_exposed(environ):
        return None
    key = _known(environ.get("HTTP_AUTHORIZATION"), token, scope=None, within=0.0)
    return key.say("introspect", _introspected) if key else None


def _authorize(environ: WSGIEnvironment) -> Found | None:
    token = bearer_of(environ.get("HTTP_AUTHORIZATION"))
    scope = _scope(environ["QUERY_STRING"], environ.get("HTTP_X_REQUIRED_SCOPE", ""))
    if not token or scope is None or environ["REQUEST_METHOD"] != "GET" or _looks_exposed(environ):
        return None
    within = settings.AUTHORIZE_WITHIN
    key = _known(environ.get("HTTP_X_GATEWAY_AUTHORIZATION"), token, scope=scope, within=within)
    return key.say("authorize", _identified) if key else None


def _known(gateway: str | None, token: str, *, scope: str | None, within: float) -> Known | None:
    """The key, if this gateway may hear a yes. PostgreSQL is asked once about both."""
    if not is_plausible(token):
        return None
    remembered.prove(within)
    caller = authenticate(gateway, within=None)
    if caller is None:
        return None
    key = verify(
        token, audience=caller.audience, scope=scope, sandbox=caller.sandbox, within=None
    ).known
    if key is not None:
        note_yes(token, key.facts)
    return key


def _introspected(facts: Facts) -> Found:
    return _JSON, json.dumps(answers.introspected(facts)).encode()


def _identified(facts: Facts) -> Found:
    return list(answers.identity(facts).items()), b""


_ANSWERS: dict[str, Callable[[WSGIEnvironment], Found | None]] = {
    "/oauth/introspect": _introspect,
    "/gateway/authorize": _authorize,
}


def _form_token(environ: WSGIEnvironment) -> str | None:
    """The token of a short body, which is put back for whoever reads it next."""
    length = environ.get("CONTENT_LENGTH") or ""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_TYPE") != FORM:
        return None
    if not (length.isascii() and length.isdigit()) or int(length) > _LONGEST_FORM:
        return None
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    fields = _FIELDS.fullmatch(body)
    return fields[1].decode() if fields and not environ["QUERY_STRING"] else None


def _looks_exposed(environ: WSGIEnvironment) -> bool:
    """Whether something like a key stands where none may: the long way looks closer."""
    return any("tpk_" in unquote(environ.get(place, "")) for place in _OPEN)


@functools.lru_cache(maxsize=256)
def _scope(query: str, header: str) -> str | None:
    """Gateways ask for the same few scopes in the same few ways."""
    return scopes_of([header, *parse_qs(query, keep_blank_values=True).get("scope", [])])
