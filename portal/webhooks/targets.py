"""Where we may be sent: an address that a partner typed is spoken to from inside our network.

The text is looked at when it is registered, the network address when we connect, each time, and
we connect to the very address that was looked at: a name that means something else a moment later
gains nothing. WEBHOOK_ALLOWED_NETWORKS names networks that are let through for tests and demos;
there plain http and any port are allowed too.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from django.conf import settings

from portal.webhooks.models import LONGEST_URL

PORTS = (443, 8443)
RESOLVE_WITHIN = 5.0  # seconds
MOST_ADDRESSES = 4

Address = IPv4Address | IPv6Address

_TEXT = re.compile(r"[!-\[\]-~]+")  # printable ASCII without blanks and backslashes
_LABEL = re.compile(r"(?!-)[0-9a-z_-]{1,63}(?<!-)")
# What inet_aton takes for a number, and browsers for an IPv4 address: 2130706433, 0x7f.1, 0177.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SPECIAL_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home.arpa")
# Beyond what `is_global` knows, or knows in some versions of Python only: they carry another
# address inside, or lead to networks of the operator's own.
_NEVER = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24"),
        *("198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        *("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
        *("fec0::/10", "ff00::/8"),
    )
)


class Refused(Exception):
    """We do not go there; the words say why, to whoever registered it."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart. `path` holds the query too."""

    scheme: str
    host: str
    port: int
    path: str


def read_url(url: str) -> Target:
    """Take apart what a partner typed; raises Refused with words for them."""
    if not _TEXT.fullmatch(url) or len(url) > LONGEST_URL:
        raise Refused(
            f"Type an address of at most {LONGEST_URL} plain letters, digits and signs, without "
            "blanks. Write international names in their xn-- form."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("This is no address. It looks like https://hooks.example.org/path.") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Refused("Leave out the name and password before the @: they would be stored here.")
    if "#" in url:
        raise Refused("Leave out the # and what follows: it is never sent.")
    if parts.scheme not in _schemes():
        raise Refused("The address must begin with https://.")
    host = (parts.hostname or "").rstrip(".")
    _look_at_host(host)
    port = port or (443 if parts.scheme == "https" else 80)
    if port not in PORTS and not _allowed_networks():
        raise Refused("The port must be 443 or 8443.")
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, port, (parts.path or "/") + query)


def addresses_of(target: Target) -> list[str]:
    """Resolve the name once; returns addresses we may connect to. One bad one refuses them all."""
    found = [_ip(text) for text in _look_up(target.host, target.port)]
    if not found:
        raise Refused("The name has no address.")
    for address in found:
        _look_at_address(address, target)
    return [str(address) for address in found[:MOST_ADDRESSES]]


def may_be_reached(address: Address) -> bool:
    """Whether this is an address of the open internet, and of nothing behind it."""
    inside = any(address in network for network in _NEVER if network.version == address.version)
    return address.is_global and not address.is_multicast and not inside


def _look_at_address(address: Address, target: Target) -> None:
    if any(address in network for network in _allowed_networks()):
        return
    if not may_be_reached(address):
        raise Refused("The name leads to an address that is not on the open internet.")
    if target.scheme != "https" or target.port not in PORTS:
        raise Refused("Only https:// on port 443 or 8443 is spoken to.")


def _look_at_host(host: str) -> None:
    literal = _literal(host)
    if literal is not None:
        allowed = any(literal in network for network in _allowed_networks())
        if not allowed and not may_be_reached(literal):
            raise Refused("This address is not on the open internet.")
        return
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > 253:
        raise Refused("This host name cannot be. It looks like hooks.example.org.")
    if _NUMBER.fullmatch(labels[-1]):
        raise Refused("Write the host as a name, or as four plain numbers with dots.")
    special = len(labels) == 1 or host.endswith(tuple(f".{name}" for name in _SPECIAL_NAMES))
    if special and not _allowed_networks():
        raise Refused("This name is known inside a network only. Use one the internet knows.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _ip(text: str) -> Address:
    """Without the zone (`fe80::1%eth0`), which names an interface of ours."""
    return ipaddress.ip_address(text.partition("%")[0])


def _look_up(host: str, port: int) -> Sequence[str]:
    """Ask the resolver, but not for longer than RESOLVE_WITHIN, which it knows nothing of."""
    found: list[str] = []
    problems: list[OSError | UnicodeError] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            problems.append(error)
        else:
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))

    asking = threading.Thread(target=ask, name="webhooks-resolver", daemon=True)
    asking.start()
    asking.join(RESOLVE_WITHIN)
    if asking.is_alive():
        raise Refused("The name could not be looked up in time.")
    if problems:
        raise Refused("The name could not be looked up.") from problems[0]
    return found


def _allowed_networks() -> Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return settings.WEBHOOK_ALLOWED_NETWORKS


def _schemes() -> tuple[str, ...]:
    return ("https", "http") if _allowed_networks() else ("https",)
