"""What machines are told. Whatever is wrong with a key, the bytes of the refusal are the same."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from portal.credentials.facts import Facts
from portal.gateway.tokens import Made, ReadToken

Headers = dict[str, str]

KEY_CHALLENGE = 'Bearer realm="trusted-access"'
NOBODY = "-"  # never empty: some gateways leave the client's own header when ours is


def introspected(facts: Facts, token: ReadToken | None = None) -> dict[str, Any]:
    """RFC 7662, section 2.2, and what a gateway needs to meter by; of a token its own times."""
    return {
        "active": True,
        "scope": " ".join(sorted(facts.scopes)),
        "client_id": facts.kid,
        "token_type": "Bearer",
        "exp": int(facts.expires_at.timestamp()),
        "iat": int(facts.claimed_at.timestamp()) if facts.claimed_at else None,
        "sub": facts.holder_ref,
        "aud": facts.audience,
        "iss": settings.BASE_URL,
        "jti": facts.kid,
        "kid": facts.kid,
        "organization": facts.organization_ref,
        "grant": facts.grant_ref,
        "limits": {
            "requests_per_minute": facts.requests_per_minute,
            "tokens_per_day": facts.tokens_per_day,
        },
    } | ({"iat": token.issued_at, "exp": token.expires_at, "jti": token.jti} if token else {})


def identity(facts: Facts) -> Headers:
    """What the model behind the gateway is told of the caller. No header is ever left out."""
    return {
        "X-Access-Subject": facts.holder_ref,
        "X-Access-Organization": facts.organization_ref or NOBODY,
        "X-Access-Key-Id": facts.kid,
        "X-Access-Grant": facts.grant_ref,
        "X-Access-Scope": " ".join(sorted(facts.scopes)),
        "X-Access-Requests-Per-Minute": str(facts.requests_per_minute),
        "X-Access-Tokens-Per-Day": str(facts.tokens_per_day),
    }


def answer(body: Any, status: int = 200, headers: Headers | None = None) -> HttpResponse:
    return JsonResponse(
        body, status=status, headers={"Cache-Control": "no-store"} | (headers or {})
    )


def public(body: Any, content_type: str = "application/json") -> HttpResponse:
    """What anybody may read, and keep for five minutes."""
    return JsonResponse(
        body, content_type=content_type, headers={"Cache-Control": "public, max-age=300"}
    )


def signed(text: str, content_type: str, *, keep: str) -> HttpResponse:
    """Something signed, and how long it may be kept; pages of other origins may read it."""
    headers = {"Cache-Control": keep, "Access-Control-Allow-Origin": "*"}
    return HttpResponse(text, content_type=content_type, headers=headers)


def made(token: Made) -> HttpResponse:
    """RFC 6749, section 5.1."""
    body = {
        "access_token": token.token,
        "token_type": "Bearer",
        "expires_in": token.expires_in,
        "scope": token.scope,
    }
    return answer(body, headers={"Pragma": "no-cache"})


def error(code: str, description: str, status: int, headers: Headers | None = None) -> HttpResponse:
    """RFC 6749, section 5.2."""
    return answer({"error": code, "error_description": description}, status, headers)


def unknown_gateway() -> HttpResponse:
    return error(
        "invalid_client",
        "The gateway's own credentials are missing or wrong.",
        401,
        {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8"'},
    )


def unknown_client() -> HttpResponse:
    """Of a key at the OAuth doors: the same bytes whether it is unknown, wrong or refused."""
    return error(
        "invalid_client",
        "The key is missing, wrong, or gives no access. Its id is the client_id, the whole key the "
        f"client_secret; {settings.BASE_URL}/access/ says what is wrong with it.",
        401,
        {"WWW-Authenticate": 'Basic realm="keys", charset="UTF-8"'},
    )


def too_many_failures(wait: int) -> HttpResponse:
    return error(
        "too_many_requests",
        f"This address keeps sending credentials that are wrong. Wait {wait} seconds.",
        429,
        {"Retry-After": str(wait)},
    )


def no_key() -> HttpResponse:
    """RFC 6750, section 3.1: nothing was presented, so nothing is said to be wrong."""
    return error(
        "invalid_token",
        "Send your key as: Authorization: Bearer tpk_live_...",
        401,
        {"WWW-Authenticate": KEY_CHALLENGE},
    )


def bad_key() -> HttpResponse:
    return error(
        "invalid_token",
        f"This key gives no access. {settings.BASE_URL}/access/ says why and what to do.",
        401,
        {"WWW-Authenticate": f'{KEY_CHALLENGE}, error="invalid_token"'},
    )


def exposed_key() -> HttpResponse:
    """401 rather than 400: gateways pass on 401 and 403 and turn the rest into a failure."""
    return error(
        "invalid_request",
        "A key was sent in an address or a cookie, where logs keep it. Send it in the "
        f"Authorization header only, and replace it at {settings.BASE_URL}/access/.",
        401,
        {"WWW-Authenticate": f'{KEY_CHALLENGE}, error="invalid_request"'},
    )


def scope_missing(scope: str) -> HttpResponse:
    return error(
        "insufficient_scope",
        f"This key does not hold what this call needs: {scope}.",
        403,
        {"WWW-Authenticate": f'{KEY_CHALLENGE}, error="insufficient_scope", scope="{scope}"'},
    )


def wrong_method(*allowed: str) -> HttpResponse:
    return error("invalid_request", f"Use {allowed[0]}.", 405, {"Allow": ", ".join(allowed)})


def malformed(description: str) -> HttpResponse:
    return error("invalid_request", description, 400)


def unavailable() -> HttpResponse:
    return error(
        "temporarily_unavailable",
        "Access cannot be checked at the moment. Try again in a few seconds.",
        503,
        {"Retry-After": "2"},
    )
