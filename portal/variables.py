"""What a variable of the environment must look like. Each check raises ValidationError with words
that follow the variable's name on the terminal.
"""

import base64
import binascii
import ipaddress
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parseaddr
from urllib.parse import SplitResult, urlsplit

import dj_email_url
from marshmallow import ValidationError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_POSTGRES = {"postgres", "postgresql", "pgsql"}
_REDIS = {"redis", "rediss"}
_DATABASE = "must look like postgres://user:password@host:5432/name"
_BROKER = "must look like redis://:password@host:6379/0"
_SIGNING = "must look like <kid>:<base64url of 32 bytes>,…; manage.py make_signing_key prints one"
_PEPPER = "must look like 1:<base64url of 32 bytes>,2:…"
_CONTACT = "must look like mailto:security@example.org or https://example.org/security"
_SENDER = "must look like access@example.org or Trusted Access <access@example.org>"
_SEED_LENGTH = 32
_NEWEST_PEPPER = 32_767  # what a row has room for
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_KID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,31}")


def long(value: str) -> None:
    if len(value) < 50:
        raise ValidationError("must be at least 50 random characters")


def all_long(value: list[str]) -> None:
    """An earlier key still signs people in, so a short one is as bad as a short key of today."""
    if any(len(each) < 50 for each in value):
        raise ValidationError("each must be at least 50 random characters")


def read_peppers(value: str) -> dict[int, bytes]:
    """Parse `1:<base64url of 32 bytes>,2:...`; the first that is listed hashes."""
    found = [_pepper(part.strip()) for part in value.split(",")]
    peppers = dict(found)
    if len(peppers) < len(found):
        raise ValidationError("names a version twice; a new pepper has a number of its own")
    return peppers


def peppers(value: str) -> None:
    read_peppers(value)


@dataclass(frozen=True, slots=True)
class SigningSeed:
    """What an Ed25519 key is made from, and the id it is published under. Printing shows the id."""

    kid: str
    seed: bytes = field(repr=False)


def read_signing_keys(value: str) -> tuple[SigningSeed, ...]:
    """Parse `<kid>:<base64url of 32 bytes>,...`; the first signs, all are published."""
    found = tuple(_signing_seed(part.strip()) for part in value.split(","))
    for what in ({each.kid for each in found}, {each.seed for each in found}):
        if len(what) < len(found):
            raise ValidationError("names a key twice; a new key has an id and bytes of its own")
    return found


def new_signing_key() -> str:
    """Return a fresh one as it stands in SIGNING_KEYS. Its id tells the day it was made."""
    seed = base64.urlsafe_b64encode(secrets.token_bytes(_SEED_LENGTH)).decode().rstrip("=")
    return f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}:{seed}"


def signing_keys(value: str) -> None:
    read_signing_keys(value)


def _pepper(text: str) -> tuple[int, bytes]:
    version, _, encoded = text.partition(":")
    if not re.fullmatch("[0-9]{1,5}", version) or not 1 <= int(version) <= _NEWEST_PEPPER:
        raise ValidationError(f"{_PEPPER}, with versions from 1 to {_NEWEST_PEPPER}")
    pepper = _decoded(encoded, _PEPPER)
    if len(pepper) < 32:
        raise ValidationError("every pepper needs at least 32 bytes, base64url")
    return int(version), pepper


def _decoded(encoded: str, wanted: str) -> bytes:
    """Strict where b64decode is not: it passes over what is no base64 at all."""
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValidationError(wanted) from error


def _signing_seed(text: str) -> SigningSeed:
    kid, _, encoded = text.partition(":")
    seed = _decoded(encoded, _SIGNING)
    if not _KID.fullmatch(kid) or len(seed) != _SEED_LENGTH:
        raise ValidationError(_SIGNING)
    return SigningSeed(kid, seed)


def read_networks(value: str) -> tuple[Network, ...]:
    """Parse `10.1.0.0/16,fd00::/8`; none for an empty text."""
    try:
        return tuple(
            ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()
        )
    except ValueError as error:
        raise ValidationError("must look like 127.0.0.0/8,fd00::/8") from error


def networks(value: str) -> None:
    read_networks(value)


def database(value: str) -> None:
    url = _split(value, _DATABASE)
    if url.scheme not in _POSTGRES or not url.path.strip("/"):
        raise ValidationError(_DATABASE)


def broker(value: str) -> None:
    url = _split(value, _BROKER)
    number = url.path.removeprefix("/")
    if url.scheme not in _REDIS or not url.hostname or not (number.isdecimal() or not number):
        raise ValidationError(_BROKER)


def hosts(value: list[str]) -> None:
    if not value or not all(name.strip() for name in value):
        raise ValidationError("must name the hosts that are served, comma-separated")


def origin(value: str) -> None:
    """An address that paths are put after: no path, no slash at the end."""
    url = _split(value, "must look like https://portal.example.org")
    bare = not (url.path or url.query or url.fragment or url.username)
    if url.scheme not in {"http", "https"} or not url.hostname or not bare:
        raise ValidationError("must look like https://portal.example.org, with nothing after it")


def secure_origin(value: str) -> None:
    """In production pages and cookies need https, so no link may lead to http."""
    origin(value)
    if not value.startswith("https://"):
        raise ValidationError("must begin with https://")


def origin_or_nothing(value: str) -> None:
    if value:
        origin(value)


def mail_server(value: str) -> None:
    """Nothing but what dj_email_url knows; of others it makes a backend that does not exist."""
    url = _split(value, "must look like smtp://user:password@host:587?tls=True")
    if url.scheme not in dj_email_url.SCHEMES:
        raise ValidationError("must look like smtp://user:password@host:587?tls=True")


def sender(value: str) -> None:
    """One address, with a name before it or not; of more than that no mail would leave."""
    _, address = parseaddr(value)
    alone = value == address or value.endswith(f"<{address}>")
    if not (alone and value.isprintable() and _ADDRESS.fullmatch(address)):
        raise ValidationError(_SENDER)


def contact(value: str) -> None:
    """It stands on a line of its own in security.txt (RFC 9116), so it must be one line."""
    url = _split(value, _CONTACT)
    mail = url.scheme == "mailto" and _ADDRESS.fullmatch(url.path)
    page = url.scheme == "https" and url.hostname
    if not (mail or page) or not value.isprintable() or " " in value:
        raise ValidationError(_CONTACT)


def positive(value: int) -> None:
    if value < 1:
        raise ValidationError("must be 1 or more")


def count(value: int) -> None:
    if value < 0:
        raise ValidationError("must be 0 or more")


def few_seconds(value: float) -> None:
    if not 0 <= value <= 5:
        raise ValidationError("must be from 0 to 5 seconds")


def token_or_nothing(value: str) -> None:
    """What goes into an Authorization header as it is (RFC 6750, section 2.1)."""
    if value and (len(value) < 32 or not re.fullmatch(r"[0-9A-Za-z._~+/-]+=*", value)):
        raise ValidationError("must be at least 32 random characters: letters, digits, - . _ ~ + /")


def log_format(value: str) -> None:
    if value not in {"json", "line"}:
        raise ValidationError("must be json or line")


def login_app(value: str) -> None:
    """`{}` for none, or what allauth needs to know of a provider."""
    try:
        app = json.loads(value)
    except ValueError as error:
        raise ValidationError("must be JSON") from error
    if not isinstance(app, dict) or (app and not {"client_id", "secret"} <= app.keys()):
        raise ValidationError('must look like {"client_id": "...", "secret": "..."}')


def login_institution(value: str) -> None:
    login_app(value)
    app = json.loads(value)
    named = {"provider_id", "name"} <= app.keys()
    if app and not (named and sign_in_server(app).startswith("http")):
        raise ValidationError(
            'also needs "provider_id", "name" and "settings": {"server_url": "https://..."}'
        )


def sign_in_server(app: dict) -> str:
    """Scheme and host of an institution's own sign-in server."""
    url = urlsplit(app.get("settings", {}).get("server_url", ""))
    return f"{url.scheme}://{url.netloc}"


def _split(value: str, wanted: str) -> SplitResult:
    """Its parts, when it has any: a port that is no number shows only when asked for."""
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError as error:
        raise ValidationError(wanted) from error
    return url
