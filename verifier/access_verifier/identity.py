"""What a genuine access token says (RFC 9068), read once and never changed."""

from typing import Any, NamedTuple

from access_verifier import fields
from access_verifier.jose import Malformed

TYPE = "at+jwt"
LONGEST = 8 * 1024  # the portal's are under 1 kB
NOBODY = "-"  # never empty: some servers leave the client's own header when ours is

_WORDS = ("sub", "client_id", "grant", "phase", "release", "jti")


class StatusReference(NamedTuple):
    """Where the token's status stands: draft-ietf-oauth-status-list-21, `status_list`."""

    uri: str
    idx: int


class Identity(NamedTuple):
    """Who calls, with which key, under which grant. Times are seconds by the portal's clock.

    What a freeze or an epoch can be about has the name of its level. `organization` is None for
    a person who is here on their own. `kind` is that of the key: live or test.
    """

    person: str
    organization: str | None
    key: str
    grant: str
    phase: str
    release: str
    scopes: frozenset[str]
    token_id: str
    issuer: str
    audience: str
    kind: str
    issued_at: float
    not_before: float
    expires_at: float
    status: StatusReference | None
    everything: str = ""

    def headers(self) -> dict[str, str]:
        """What the application behind is told. No header is ever left out or empty."""
        return {
            "X-Access-Subject": self.person,
            "X-Access-Organization": self.organization or NOBODY,
            "X-Access-Key-Id": self.key,
            "X-Access-Grant": self.grant,
            "X-Access-Phase": self.phase,
            "X-Access-Release": self.release,
            "X-Access-Scope": " ".join(sorted(self.scopes)) or NOBODY,
        }


def read_identity(claims: dict[str, Any]) -> Identity:
    """Raise Malformed unless every claim is there and of its kind."""
    person, key, grant, phase, release, token_id = fields.words(claims, *_WORDS)
    organization = claims.get("organization")
    if organization is not None:
        organization = fields.word(claims, "organization")
    issued_at = fields.seconds(claims, "iat")
    return Identity(
        person,
        organization,
        key,
        grant,
        phase,
        release,
        _scopes(fields.text(claims, "scope")),
        token_id,
        fields.text(claims, "iss"),
        fields.text(claims, "aud"),
        fields.text(claims, "kind"),
        issued_at,
        fields.seconds(claims, "nbf") if "nbf" in claims else issued_at,
        fields.seconds(claims, "exp"),
        _status(claims) if "status" in claims else None,
    )


def _scopes(text: str) -> frozenset[str]:
    scopes = frozenset(text.split(" ")) if text else frozenset()
    if "" in scopes or not (text.isascii() and text.isprintable()):
        raise Malformed("scope is not words with single spaces between")
    return scopes


def _status(claims: dict[str, Any]) -> StatusReference:
    """A status of a kind that is not known here cannot be looked up, so it is no yes."""
    entry = fields.part(fields.part(claims, "status"), "status_list")
    return StatusReference(fields.word(entry, "uri"), fields.count(entry, "idx"))
