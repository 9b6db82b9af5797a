import math
import pickle
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.credentials import secrets

KID = "0123456789ABCDEf"


@pytest.fixture
def minted():
    return secrets.mint(KID)


def test_the_format_is_75_characters_of_the_documented_shape(minted):
    assert len(minted.token) == 75
    assert re.fullmatch(rf"tpk_live_{KID}_[0-9A-Za-z]{{49}}", minted.token)
    assert secrets.mint(KID, "test").token.startswith(f"tpk_test_{KID}_")


def test_the_secret_holds_at_least_256_bits():
    assert math.log2(62) * secrets.SECRET_LENGTH > 256
    assert len(set(secrets.ALPHABET)) == 62


def test_every_character_is_drawn():
    drawn = {c for _ in range(100) for c in secrets.mint(KID).token[26:69]}
    assert drawn == set(secrets.ALPHABET)


def test_every_place_takes_any_character():
    """The first and the last place, too: no number is left out at either end."""
    kids = [secrets.new_kid() for _ in range(3_000)]
    assert {kid[0] for kid in kids} == {kid[-1] for kid in kids} == set(secrets.ALPHABET)


def test_two_keys_and_two_kids_differ():
    assert secrets.mint(KID).token != secrets.mint(KID).token
    assert secrets.new_kid() != secrets.new_kid()
    assert re.fullmatch(r"[0-9A-Za-z]{16}", secrets.new_kid())


def test_a_known_checksum():
    # zlib.crc32(b"123456789") is 0xCBF43926 by definition of CRC-32.
    rest, digits = 0xCBF43926, ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = secrets.ALPHABET[digit] + digits
    assert secrets._checksum("123456789") == digits.rjust(6, "0")


def test_printing_shows_neither_key_nor_digest(minted):
    shown = f"{minted} {minted!r} {[minted]}"
    assert minted.token[26:69] not in shown
    assert repr(minted.digest) not in shown
    assert shown.count("Minted(") == 3


def test_parse_returns_the_kid(minted):
    assert secrets.parse(minted.token) == KID


@pytest.mark.parametrize("position", range(75))
def test_any_changed_character_is_noticed(minted, position):
    old = minted.token[position]
    new = random.choice([c for c in secrets.ALPHABET + "_-" if c != old])
    assert secrets.parse(minted.token[:position] + new + minted.token[position + 1 :]) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "",
        lambda t: t[:-1],
        lambda t: t + "0",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t.lower(),
        lambda t: t.replace("tpk_live_", "tpk_prod_"),
        lambda t: t.replace("tpk_live_", "tpk_test_"),  # the checksum covers the kind
        lambda t: t[:9] + "é" + t[10:],
        lambda t: t[:9] + "٣" + t[10:],  # a digit, but not one of ours
        lambda t: t * 1000,
    ],
)
def test_anything_else_is_refused(minted, change):
    assert secrets.parse(change(minted.token)) is None


@given(st.text(max_size=100))
def test_parse_takes_any_text(text):
    assert secrets.parse(text) is None
    assert secrets.parse("tpk_live_" + text) is None


@pytest.mark.parametrize("kid", ["", "short", KID + "0", KID[:-1] + "_", KID[:-1] + "é"])
def test_a_kid_of_another_shape_is_not_minted(kid):
    with pytest.raises(ValueError, match="16 characters"):
        secrets.mint(kid)


def test_only_the_very_token_matches(minted):
    assert secrets.verify_digest(minted.token, minted.pepper_version, minted.digest)
    other = secrets.mint(KID)
    assert not secrets.verify_digest(other.token, minted.pepper_version, minted.digest)
    assert not secrets.verify_digest(minted.token, None, None)


def test_a_key_is_found_in_an_address(minted):
    assert secrets.find(f"/v1?a=1&key={minted.token}&b=2") == minted.token
    assert secrets.find(f"session={minted.token}; theme=dark") == minted.token
    assert secrets.find(f"/v1?key={minted.token}0") is None
    assert secrets.find("tpk_live_" + "0" * 66) is None
    assert secrets.find("") is None


def test_minted_holds_what_is_to_be_stored(minted):
    assert len(minted.digest) == 32
    assert minted.pepper_version == 1
    assert pickle.loads(pickle.dumps(minted)) == minted
