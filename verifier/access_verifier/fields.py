"""Claims taken out one by one, each of the kind it has to be, or Malformed."""

import math
from collections.abc import Mapping
from typing import Any

from access_verifier.jose import Malformed

_LONGEST = 1000


def words(claims: Mapping[str, Any], *names: str) -> list[str]:
    """References: visible ASCII without spaces, fit to stand in a header as they are.

    Looked at together, because every request pays for it.
    """
    found: list[Any] = [claims.get(name) for name in names]
    try:
        together = "".join(found)
    except TypeError:
        raise Malformed(f"one of {names} is missing or no text") from None
    if not is_word(together) or not all(found):
        raise Malformed(f"one of {names} is empty, too long or no plain word")
    return found


def word(claims: Mapping[str, Any], name: str) -> str:
    return words(claims, name)[0]


def is_word(value: str) -> bool:
    printable = value.isascii() and value.isprintable()
    return printable and " " not in value and 0 < len(value) <= _LONGEST


def text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if type(value) is str:
        return value
    raise Malformed(f"{name} is missing or no text")


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, section 2), possibly with a fraction."""
    return finite(claims.get(name), name)


def finite(value: Any, name: str) -> float:
    # By exact type, because True is an int.
    if type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is float and math.isfinite(value):
        return value
    raise Malformed(f"{name} is missing or no number of seconds")


def count(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is int and value >= 0:
        return value
    raise Malformed(f"{name} is missing or no whole number")


def part(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = claims.get(name)
    if type(value) is dict:
        return value
    raise Malformed(f"{name} is missing or no object")
