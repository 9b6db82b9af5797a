"""The doors machines knock at. Whatever goes wrong here, the answer is never yes."""

import logging
from collections.abc import Callable
from functools import wraps

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from portal.credentials.enums import DenyCode
from portal.gateway import answers, asking, limits, sandbox
from portal.gateway.authentication import authenticate
from portal.gateway.selectors import sandbox_audience
from portal.gateway.tokens import verify

log = logging.getLogger(__name__)

View = Callable[..., HttpResponse]


def machine(view: View) -> View:
    """Fail closed and in the caller's language: JSON, no traceback, never cached.

    CSRF-exempt because every call carries its own credentials and cookies count for nothing.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            log.warning("no answer from the database: %s", type(error).__name__)
            return answers.unavailable()
        except (SuspiciousOperation, UnreadablePostError):
            return answers.malformed("The request is too large or was cut off.")
        except Exception:
            log.exception("a machine's request failed")
            return answers.error("server_error", "Something failed here; nothing is allowed.", 500)

    return csrf_exempt(guarded)


@machine
def introspect(request: HttpRequest) -> HttpResponse:
    """RFC 7662. Everything that is not active gets the same seventeen bytes."""
    asking.key_in_the_open(request)
    if request.method != "POST":
        return answers.wrong_method("POST")
    gateway = authenticate(request.META.get("HTTP_AUTHORIZATION"))
    if gateway is None:
        return _not_a_gateway(request)
    token = asking.form_token(request)
    if token is None:
        return answers.malformed(
            "Send one token in a form-encoded body and nothing in the address."
        )
    found = verify(token, audience=gateway.audience, scope=None)
    if not found.verdict or found.facts is None:
        return answers.answer({"active": False})
    return answers.answer(answers.introspected(found.facts, found.token))


@machine
def authorize(request: HttpRequest, rest: str = "") -> HttpResponse:
    """May this key do this? For nginx, Traefik, Caddy and Envoy: 200, 401 or 403.

    Authorization carries the client's key, so the gateway's own credentials come in
    X-Gateway-Authorization. `rest` is the client's own path, which Envoy appends.
    """
    exposed = asking.key_in_the_open(request)
    gateway = authenticate(request.META.get("HTTP_X_GATEWAY_AUTHORIZATION"))
    if gateway is None:
        return _not_a_gateway(request)
    scope = asking.needed_scope(request, rest)
    if scope is None:
        return answers.malformed("Name the scope this call needs: ?scope= or X-Required-Scope.")
    if exposed:
        return answers.exposed_key()
    return judge(asking.bearer(request), audience=gateway.audience, scope=scope)


def _not_a_gateway(request: HttpRequest) -> HttpResponse:
    wait = limits.wait_after_failure(request)
    return answers.too_many_failures(wait) if wait else answers.unknown_gateway()


def judge(token: str | None, *, audience: str, scope: str) -> HttpResponse:
    """Turn the decision about one presented key into an answer."""
    if token is None:
        return answers.no_key()
    found = verify(token, audience=audience, scope=scope)
    if found.verdict and found.facts is not None:
        return HttpResponse(headers={"Cache-Control": "no-store"} | answers.identity(found.facts))
    if found.verdict.code == DenyCode.SCOPE_NOT_HELD:
        return answers.scope_missing(scope)
    return answers.bad_key()


@machine
def sandbox_responses(request: HttpRequest) -> HttpResponse:
    """The sandbox model at the portal's own address, in a demo only: same check, same answers."""
    exposed = asking.key_in_the_open(request)
    audience = sandbox_audience()

    def check(scope: str) -> sandbox.Checked:
        if audience is None:
            return sandbox.Checked(503)
        token = asking.bearer(request)
        said = answers.exposed_key() if exposed else judge(token, audience=audience, scope=scope)
        return sandbox.Checked(said.status_code, said.get("WWW-Authenticate", ""))

    if request.method != "POST":
        reply = sandbox.method_not_allowed()
    elif asking.body_length(request) > sandbox.LONGEST_BODY:
        reply = sandbox.too_long()
    else:
        reply = sandbox.respond(request.body, check)
    return answers.answer(reply.body, reply.status, reply.headers)
