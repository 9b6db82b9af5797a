"""The doors machines knock at. Whatever goes wrong here, the answer is never yes."""

import logging
import time
from collections.abc import Callable
from dataclasses import astuple
from functools import cache, wraps
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from portal.audit.services import System
from portal.credentials.enums import DenyCode
from portal.credentials.services import Usage, record_usage
from portal.gateway import answers, asking, limits, sandbox, tokens
from portal.gateway.authentication import Caller, authenticate
from portal.gateway.metering import Meter, allowance_of
from portal.gateway.noting import note_yes
from portal.gateway.outage import tell_outage
from portal.gateway.selectors import sandbox_audience
from portal.metrics import note_decision

log = logging.getLogger(__name__)

View = Callable[..., HttpResponse]

KNOWN_FOR = 5.0  # seconds that a gateway is believed to be one still, when the answer is no anyway

# Where in a request's META a view leaves why it answered as it did, for the metrics.
CODE = "portal.code"


def machine(door: str) -> Callable[[View], View]:
    """Fail closed and in the caller's language: JSON, no traceback, never cached; and be counted.

    CSRF-exempt because every call carries its own credentials and cookies count for nothing.
    """

    def decorate(view: View) -> View:
        guarded = _failing_closed(view, door)

        @wraps(view)
        def counted(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
            began = time.perf_counter()
            response = guarded(request, *args, **kwargs)
            code = request.META.get(CODE, "malformed_request")
            note_decision(door=door, code=code, seconds=time.perf_counter() - began)
            return response

        return csrf_exempt(counted)

    return decorate


def _failing_closed(view: View, door: str) -> View:
    def guarded(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            request.META[CODE] = "unavailable"
            tell_outage(door, error)
            return answers.unavailable()
        except (SuspiciousOperation, UnreadablePostError):
            request.META[CODE] = "malformed_request"
            return answers.malformed("The request is too large or was cut off.")
        except Exception:
            request.META[CODE] = "error"
            log.exception("a machine's request failed", extra={"door": door})
            return answers.error("server_error", "Something failed here; nothing is allowed.", 500)

    return guarded


@machine("introspect")
def introspect(request: HttpRequest) -> HttpResponse:
    """RFC 7662. Everything that is not active gets the same seventeen bytes."""
    asking.key_in_the_open(request)
    if request.method != "POST":
        return answers.wrong_method("POST")
    token = (asking.form(request) or {}).get("token")
    gateway = _caller(request.META.get("HTTP_AUTHORIZATION"), token)
    if gateway is None:
        return not_a_gateway(request)
    if token is None:
        return answers.malformed(
            "Send one token in a form-encoded body and nothing in the address."
        )
    found = tokens.verify(token, audience=gateway.audience, scope=None, sandbox=gateway.sandbox)
    request.META[CODE] = found.verdict.code or "allowed"
    if not found.verdict or found.facts is None:
        return answers.answer({"active": False})
    note_yes(token, found.facts)
    return answers.answer(answers.introspected(found.facts, found.token))


@machine("authorize")
def authorize(request: HttpRequest, rest: str = "") -> HttpResponse:
    """May this key do this? For nginx, Traefik, Caddy and Envoy: 200, 401 or 403.

    Authorization carries the client's key, so the gateway's own credentials come in
    X-Gateway-Authorization. `rest` is the client's own path, which Envoy appends.
    """
    exposed = asking.key_in_the_open(request)
    token = asking.bearer(request)
    gateway = _caller(request.META.get("HTTP_X_GATEWAY_AUTHORIZATION"), token)
    if gateway is None:
        return not_a_gateway(request)
    scope = asking.needed_scope(request, rest)
    if scope is None:
        return answers.malformed("Name the scope this call needs: ?scope= or X-Required-Scope.")
    if exposed:
        return answers.exposed_key()
    return judge(request, audience=gateway.audience, scope=scope, sandbox=gateway.sandbox)


def _caller(header: str | None, presented: str | None) -> Caller | None:
    """Which gateway asks about this. Before it may hear a yes PostgreSQL is asked about it at this
    very moment; for a no to what is no key, which says nothing to anybody, it is known for a while.
    """
    plausible = presented and tokens.is_plausible(presented)
    return authenticate(header, within=0.0 if plausible else KNOWN_FOR)


def not_a_gateway(request: HttpRequest) -> HttpResponse:
    request.META[CODE] = "not_a_gateway"
    wait = limits.wait_after_failure(request)
    return answers.too_many_failures(wait) if wait else answers.unknown_gateway()


def judge(request: HttpRequest, *, audience: str, scope: str, sandbox: bool) -> HttpResponse:
    """Turn the decision about the key that was presented into an answer."""
    token = asking.bearer(request)
    if token is None:
        return answers.no_key()
    found = tokens.verify(token, audience=audience, scope=scope, sandbox=sandbox)
    request.META[CODE] = found.verdict.code or "allowed"
    if found.verdict and found.facts is not None:
        note_yes(token, found.facts)
        return HttpResponse(headers={"Cache-Control": "no-store"} | answers.identity(found.facts))
    if found.verdict.code == DenyCode.SCOPE_NOT_HELD:
        return answers.scope_missing(scope)
    return answers.bad_key()


@machine("sandbox")
def sandbox_responses(request: HttpRequest) -> HttpResponse:
    """The sandbox model at the portal's own address, in a demo only: same check, same answers."""
    exposed = asking.key_in_the_open(request)
    audience = sandbox_audience()

    def check(scope: str) -> sandbox.Checked:
        if audience is None:
            request.META[CODE] = "unavailable"
            return sandbox.Checked(503)
        if exposed:
            said = answers.exposed_key()
        else:
            said = judge(request, audience=audience, scope=scope, sandbox=True)
        allowance = allowance_of(said.headers)
        return sandbox.Checked(said.status_code, said.get("WWW-Authenticate", ""), allowance)

    if request.method != "POST":
        reply = sandbox.method_not_allowed()
    elif asking.body_length(request) > sandbox.LONGEST_BODY:
        reply = sandbox.too_long()
    else:
        reply = sandbox.respond(request.body, check, _meter())
    if reply.used and audience is not None:
        usage = Usage(*astuple(reply.used))
        record_usage(report=uuid4(), entries=[usage], audience=audience, by=System("sandbox"))
    return answers.answer(reply.body, reply.status, reply.headers)


@cache
def _meter() -> Meter:
    """The counters `make run` gives the sandbox beside us, so that both doors share them."""
    return Meter(settings.REDIS_URL)
