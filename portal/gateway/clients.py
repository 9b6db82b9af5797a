"""Who asks at the OAuth doors, and what: a client there is a key (RFC 6749, section 2.3.1).

Its id is the kid, its secret the whole key, by HTTP Basic or in the body and never in both. An
unknown kid, a wrong secret and a secret of another kid cost the same and come to the same nothing.
"""

from dataclasses import dataclass, field

from django.http import HttpRequest

from portal.credentials import verification
from portal.credentials.facts import Facts
from portal.gateway import asking
from portal.gateway.authentication import basic_credentials

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A sound request: what its form holds, the secret it came with, and the key if genuine."""

    fields: Fields = field(repr=False)
    secret: str = field(repr=False)
    facts: Facts | None


def read(request: HttpRequest) -> Asked | None:
    """Return what is asked, None for a request that no client sends (RFC 6749, section 3.2).

    `facts` say what is true of the key, not that it works: that is for the door to decide.
    """
    fields = asking.form(request)
    sent = _credentials(request, fields) if fields is not None else None
    if fields is None or sent is None:
        return None
    client_id, secret = sent
    facts = verification.genuine(secret)
    return Asked(fields, secret, facts if facts and facts.kid == client_id else None)


def _credentials(request: HttpRequest, fields: Fields) -> tuple[str, str] | None:
    """Id and secret, ("", "") for none that are readable; None for two ways at once."""
    header = request.META.get("HTTP_AUTHORIZATION")
    named, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    if header is None:
        return named, secret
    presented = basic_credentials(header)
    return None if secret or named not in {"", presented[0]} else presented
