"""The OAuth doors: a key becomes a short token, a key ends itself, and what others check with."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from portal.audit.services import System
from portal.credentials.enums import CredentialStatus, DenyCode
from portal.credentials.services import revoke_by_possession
from portal.credentials.verification import decide
from portal.gateway import answers, asking, clients, limits, signing, tokens
from portal.gateway.clients import Asked
from portal.gateway.noting import note_yes
from portal.gateway.views import CODE, machine
from portal.programs.models import SCOPE_PATTERN
from portal.programs.selectors import published_scopes

GRANT_TYPE = "client_credentials"

_SCOPE = re.compile(SCOPE_PATTERN.replace("$", r"\Z"))
_BY_KEY = ["client_secret_basic", "client_secret_post"]


@machine("token")
def exchange_key(request: HttpRequest) -> HttpResponse:
    """RFC 6749, section 4.4: a key for a token of 60 seconds with its scopes or fewer.

    RFC 8707: `resource` may name the model the token is for, and then must name the key's own.
    """
    asked = _asked(request)
    if isinstance(asked, HttpResponse):
        return asked
    if "grant_type" not in asked.fields:
        return answers.malformed(f"Send grant_type={GRANT_TYPE}.")
    if asked.fields["grant_type"] != GRANT_TYPE:
        return answers.error("unsupported_grant_type", f"Send grant_type={GRANT_TYPE}.", 400)
    return _token(request, asked)


def _token(request: HttpRequest, asked: Asked) -> HttpResponse:
    facts = asked.facts
    if facts is None:
        return _not_a_client(request)
    scopes = _scopes(asked.fields["scope"]) if "scope" in asked.fields else facts.scopes
    wanted = " ".join(sorted(scopes))
    audience = asked.fields.get("resource", facts.audience)
    # Which doors take it is theirs to say: the token carries the key's kind.
    verdict = decide(
        facts, audience=audience, scope=wanted, now=timezone.now(), sandbox=facts.is_test
    )
    request.META[CODE] = verdict.code or "allowed"
    if verdict.code == DenyCode.SCOPE_NOT_HELD:
        return answers.error("invalid_scope", "This key does not hold all of these scopes.", 400)
    if verdict.code == DenyCode.WRONG_AUDIENCE:
        return answers.error("invalid_target", "This key is for another model.", 400)
    made = tokens.exchange(facts.kid, scopes=scopes) if verdict else None
    if made is None:
        return _not_a_client(request)
    note_yes(asked.secret, facts)
    return answers.made(made)


def _scopes(text: str) -> frozenset[str]:
    """The scopes named with spaces between (RFC 6749, section 3.3); none if one is malformed."""
    scopes = frozenset(text.split(" ")) - {""}
    return scopes if all(map(_SCOPE.match, scopes)) else frozenset()


@machine("revoke")
def revoke_key(request: HttpRequest) -> HttpResponse:
    """RFC 7009: a key presents itself, and ends itself. All other tokens are left as they are.

    A key that access is denied to, while its grant is suspended say, can be ended all the same; a
    dead one is nobody, so that asking again tells no more than asking with a made-up one.
    """
    asked = _asked(request)
    if isinstance(asked, HttpResponse):
        return asked
    if asked.facts is None or asked.facts.key_status != CredentialStatus.ACTIVE:
        return _not_a_client(request)
    token = asked.fields.get("token", "")
    if not token:
        return answers.malformed("Send the key to revoke as token.")
    if tokens.is_token(token):
        return answers.error(
            "unsupported_token_type",
            f"A token is over after {tokens.LIFE} seconds by itself. To stop it sooner revoke its "
            "key: wherever the portal is asked, the token is refused at once.",
            400,
        )
    request.META[CODE] = "allowed"
    if token == asked.secret:
        revoke_by_possession(kid=asked.facts.kid, by=System("oauth"))
    return answers.answer({})


@machine("jwks")
def jwks(request: HttpRequest) -> HttpResponse:
    """RFC 7517, section 5: what the tokens are checked with."""
    if request.method not in {"GET", "HEAD"}:
        return answers.wrong_method("GET", "HEAD")
    request.META[CODE] = "allowed"
    return answers.public(signing.published(), "application/jwk-set+json")


@machine("metadata")
def metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414, section 2. It asks for the list of response types though there are none."""
    if request.method not in {"GET", "HEAD"}:
        return answers.wrong_method("GET", "HEAD")
    told = {
        "issuer": settings.BASE_URL,
        "token_endpoint": _address("oauth_token"),
        "token_endpoint_auth_methods_supported": _BY_KEY,
        "introspection_endpoint": _address("introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": _address("oauth_revoke"),
        "revocation_endpoint_auth_methods_supported": _BY_KEY,
        "jwks_uri": _address("jwks"),
        "status_list_aggregation_endpoint": _address("status_lists"),
        "grant_types_supported": [GRANT_TYPE],
        "response_types_supported": [],
        "scopes_supported": published_scopes(),
    }
    request.META[CODE] = "allowed"
    return answers.public(told)


def _asked(request: HttpRequest) -> Asked | HttpResponse:
    """What a client asks by POST, or what it is told for asking in another way."""
    exposed = asking.key_in_the_open(request)
    if request.method != "POST":
        return answers.wrong_method("POST")
    asked = None if exposed else clients.read(request)
    return asked or answers.malformed(
        "Send a form-encoded body with each field once, the key either as HTTP Basic or in the "
        "body, and nothing in the address or a cookie."
    )


def _not_a_client(request: HttpRequest) -> HttpResponse:
    if request.META.get(CODE, "allowed") == "allowed":
        request.META[CODE] = DenyCode.UNKNOWN_KEY.value
    wait = limits.wait_after_failure(request)
    return answers.too_many_failures(wait) if wait else answers.unknown_client()


def _address(name: str) -> str:
    return f"{settings.BASE_URL}{reverse(name)}"
