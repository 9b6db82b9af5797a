"""The sandbox model: a stand-in for a real model behind the real check.

    granian --interface wsgi portal.gateway.sandbox:application

runs it as a gateway elsewhere would run: in a process of its own that knows nothing but the
portal's address and its own credentials (PORTAL_URL, SANDBOX_GATEWAY_ID,
SANDBOX_GATEWAY_SECRET), and where and how strictly it counts (SANDBOX_LIMITS_URL, LIMITS_FAIL:
metering.py). It reads no settings, has no database and asks the portal over HTTP about every
call. No answer within two seconds, or one it does not know, is a no. What was used it reports to
the portal afterwards (tally.py).
"""

import base64
import functools
import hashlib
import http.client
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from portal.gateway import metering
from portal.gateway.metering import Allowance, Meter, Turn
from portal.gateway.tally import Answer, Tally, Used

TIMEOUT = 2.0
LONGEST_BODY = 64 * 1024
PATH = "/sandbox/v1/responses"
DEFAULT_SCOPE = "model:infer"

_SCOPE = re.compile(r"[a-z][a-z0-9-]{0,31}:[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What the portal said about the key: a status, the challenge that came with it, and with a
    yes what the grant may use.
    """

    status: int
    challenge: str = ""
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, and what it is to be counted as; None for what no grant is behind."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    used: Used | None = None


Check = Callable[[str], Checked]


# --- What the model does ----------------------------------------------------------------------


def respond(body: bytes, check: Check, meter: Meter) -> Reply:
    """Check the key for the capability asked for, count the call, then answer.

    The key is judged before the body, so that nobody without access learns anything else; and
    only calls with a good key are counted, so that nobody uses up what is somebody else's.
    """
    asked, problem = _read(body)
    checked = check(asked.get("capability", DEFAULT_SCOPE))
    if checked.status != HTTPStatus.OK or checked.allowance is None:
        return _refusal(checked)
    turn = meter.admit(checked.allowance)
    if turn is None:
        return _uncounted()
    if turn.refused:
        return _used_up(turn)
    used = Used(turn.allowance.grant, turn.day, requests=1)
    if problem:
        wrong = _error(HTTPStatus.BAD_REQUEST, "invalid_request", problem, metering.headers(turn))
        return replace(wrong, used=used)
    answer = _answer(asked["model"], asked["input"])
    tokens = answer["usage"]["total_tokens"]
    told = metering.headers(meter.spend(turn, tokens))
    return Reply(HTTPStatus.OK, answer, told, replace(used, tokens=tokens))


def _read(body: bytes) -> tuple[dict[str, str], str]:
    """Return the fields that are sound, and what is wrong with the others."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return {}, 'Send a JSON object: {"model": "...", "input": "..."}.'
    if not isinstance(given, dict):
        return {}, "Send a JSON object, not a list or a single value."
    asked = {name: given[name] for name in ("model", "input") if isinstance(given.get(name), str)}
    capability = given.get("capability", DEFAULT_SCOPE)
    if not isinstance(capability, str) or not _SCOPE.fullmatch(capability):
        return asked, "capability is written resource:action, for instance model:infer."
    asked["capability"] = capability
    missing = [name for name in ("model", "input") if not asked.get(name)]
    return asked, f"These need some text: {', '.join(missing)}." if missing else ""


def _answer(model: str, text: str) -> dict[str, Any]:
    """The shape of OpenAI's Responses API; always the same words for the same input."""
    words = len(text.split())
    said = (
        f"This is the sandbox model answering as {model[:100]}. Your key works. "
        f"I read {words} word{'' if words == 1 else 's'} and, being harmless, did nothing more."
    )
    mark = hashlib.sha256(f"{model}\x00{text}".encode(errors="replace")).hexdigest()[:32]
    used = {"input_tokens": words, "output_tokens": len(said.split())}
    content = {"type": "output_text", "text": said, "annotations": []}
    message = {"id": f"msg_{mark}", "type": "message", "status": "completed", "role": "assistant"}
    return {
        "id": f"resp_{mark}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": model[:100],
        "output": [message | {"content": [content]}],
        "usage": used | {"total_tokens": sum(used.values())},
    }


def _refusal(checked: Checked) -> Reply:
    challenge = {"WWW-Authenticate": checked.challenge} if checked.challenge else {}
    gateway_refused = checked.challenge.startswith("Basic")
    if checked.status == HTTPStatus.UNAUTHORIZED and not gateway_refused:
        what = (
            "Your key gives no access. Send it as `Authorization: Bearer tpk_live_...`, whole; "
            "the portal's access page says whether it works, why not, and how to get another."
        )
        return _error(HTTPStatus.UNAUTHORIZED, "invalid_api_key", what, challenge)
    if checked.status == HTTPStatus.FORBIDDEN:
        what = (
            "Your key works but does not hold this capability. "
            "Ask for it in an application, or call without `capability`."
        )
        return _error(HTTPStatus.FORBIDDEN, "insufficient_scope", what, challenge)
    what = "Your key cannot be checked at the moment. Nothing is wrong with it; try again shortly."
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, "check_unavailable", what, {"Retry-After": "2"})


def _used_up(turn: Turn) -> Reply:
    """The shape of OpenAI's: `type` is the limit's name."""
    may = turn.allowance
    limit = {
        metering.REQUESTS: f"{may.requests_per_minute:,} requests a minute",
        metering.TOKENS: f"{may.tokens_per_day:,} tokens a day (from 00:00 UTC)",
    }[turn.refused]
    what = (
        f"Your grant allows {limit} for all its keys together, and they are used up. "
        f"Try again in {turn.wait:,} second{'' if turn.wait == 1 else 's'}."
    )
    reply = _error(
        HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded", what, metering.headers(turn)
    )
    reply.body["error"]["type"] = turn.refused
    return replace(reply, used=Used(may.grant, turn.day, refused=1))


def _uncounted() -> Reply:
    what = "Your key works, but calls cannot be counted at the moment. Try again shortly."
    wait = {"Retry-After": str(math.ceil(metering.REST))}
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, "limits_unavailable", what, wait)


def _error(status: int, code: str, what: str, headers: dict[str, str] | None = None) -> Reply:
    body = {"error": {"type": "invalid_request_error", "code": code, "message": what}}
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        body["error"]["type"] = "server_error"
    return Reply(status, body, headers or {})


# --- How it asks the portal --------------------------------------------------------------------


class Portal:
    """Asks /gateway/authorize as any gateway does; one kept-alive connection a thread."""

    def __init__(self, url: str, client_id: str, secret: str) -> None:
        self._address = urlsplit(url)
        both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        self._credentials = "Basic " + base64.b64encode(both.encode()).decode()
        self._own = threading.local()

    def check(self, scope: str, authorization: str | None, uri: str) -> Checked:
        """Return the portal's word, or 503 when there is none."""
        headers = {"X-Gateway-Authorization": self._credentials, "X-Original-URI": uri}
        if authorization is not None:
            headers["Authorization"] = authorization
        query = urlencode({"scope": scope})
        said = self._ask("GET", f"/gateway/authorize?{query}", headers)
        if said is None:
            return Checked(HTTPStatus.SERVICE_UNAVAILABLE)
        told, _ = said
        challenge = told.headers.get("WWW-Authenticate", "")
        return Checked(told.status, challenge, metering.allowance_of(told.headers))

    def report(self, usage: bytes) -> Answer | None:
        """Send a report of usage; return the status and the body, or None without an answer."""
        headers = {"Authorization": self._credentials, "Content-Type": "application/json"}
        said = self._ask("POST", "/gateway/usage", headers, usage)
        return (said[0].status, said[1]) if said else None

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[http.client.HTTPResponse, bytes] | None:
        """The answer and its body. To ask twice is harmless, whatever is asked."""
        for fresh in (False, True):  # a kept connection may have been closed meanwhile
            if fresh:
                self._forget()
            try:
                connection = self._connection()
                connection.request(method, self._address.path.rstrip("/") + path, body, headers)
                said = connection.getresponse()
                return said, said.read()
            except TimeoutError:
                break
            except (OSError, http.client.HTTPException, ValueError):
                continue
        self._forget()
        return None

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if kept is None:
            secure = self._address.scheme == "https"
            make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            kept = make(self._address.hostname or "", self._address.port, timeout=TIMEOUT)
            self._own.connection = kept
        return kept

    def _forget(self) -> None:
        kept = getattr(self._own, "connection", None)
        if kept is not None:
            kept.close()
            self._own.connection = None


# --- The server --------------------------------------------------------------------------------


class Sandbox:
    """The WSGI application: the model at PATH, /healthz, and nothing else."""

    def __init__(self, portal: Portal, meter: Meter, tally: Tally) -> None:
        self._portal = portal
        self._meter = meter
        self._tally = tally

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        reply = self._route(environ)
        if reply.used:
            self._tally.add(reply.used)
        body = json.dumps(reply.body).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **reply.headers,
        }
        start(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(headers.items()))
        return [body]

    def _route(self, environ: WSGIEnvironment) -> Reply:
        path = environ.get("PATH_INFO", "")
        if path == "/healthz":
            return Reply(HTTPStatus.OK, {"status": "ok"})
        if path != PATH:
            return _error(HTTPStatus.NOT_FOUND, "not_found", f"The model is at POST {PATH}.")
        if environ["REQUEST_METHOD"] != "POST":
            return method_not_allowed()
        length = environ.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()) or int(length) > LONGEST_BODY:
            return too_long()
        query = environ.get("QUERY_STRING", "")
        uri, key = f"{path}?{query}"[:8000], environ.get("HTTP_AUTHORIZATION")
        body = environ["wsgi.input"].read(int(length))
        return respond(body, lambda scope: self._portal.check(scope, key, uri), self._meter)


def method_not_allowed() -> Reply:
    what = "Use POST with a JSON body."
    return _error(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", what, {"Allow": "POST"})


def too_long() -> Reply:
    what = f"Send at most {LONGEST_BODY // 1024} kB."
    return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_long", what)


def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """The entry for the server."""
    return _from_environment()(environ, start)


@functools.cache
def _from_environment() -> Sandbox:
    """Made at the first call, so that importing this module asks nothing of the environment."""
    env = os.environ
    portal = Portal(env["PORTAL_URL"], env["SANDBOX_GATEWAY_ID"], env["SANDBOX_GATEWAY_SECRET"])
    meter = Meter(env.get("SANDBOX_LIMITS_URL"), fail=env.get("LIMITS_FAIL") or "open")
    return Sandbox(portal, meter, Tally(portal.report))
