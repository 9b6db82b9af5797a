"""Whatever is no key is known for that by itself: by its shape and its checksum, asking nobody.

Twenty thousand in every run; `MALFORMED=1000000 pytest <this file>` for the million.
"""

import os
import random

import pytest

from portal.credentials import remembered, secrets
from portal.credentials.verification import is_plausible, verify
from tests.factories.credentials import make_live_key

TIMES = int(os.environ.get("MALFORMED", "20000"))
HERE = "https://model.example.org"
TOKEN = secrets.mint(secrets.new_kid()).token


def codes(tokens):
    return {verify(token, audience=HERE, scope=None).verdict.code for token in tokens}


def slips():
    """Every key that one wrong character makes of a good one."""
    for place, right in enumerate(TOKEN):
        for wrong in secrets.ALPHABET + "_- \u0663":
            if wrong != right:
                yield TOKEN[:place] + wrong + TOKEN[place + 1 :]


def swaps():
    """Two neighbours in each other's place."""
    for place in range(len(TOKEN) - 1):
        one, two = TOKEN[place], TOKEN[place + 1]
        if one != two:
            yield TOKEN[:place] + two + one + TOKEN[place + 2 :]


def made_up(drawn):
    """Of the right shape, with any checksum but the right one; or hardly of any shape."""
    body = f"tpk_live_{''.join(drawn.choices(secrets.ALPHABET, k=16))}_"
    kind = drawn.randrange(4)
    if kind == 0:
        return body + "".join(drawn.choices(secrets.ALPHABET, k=49))
    if kind == 1:
        return TOKEN[: drawn.randrange(len(TOKEN))]
    if kind == 2:
        return TOKEN + "".join(drawn.choices(secrets.ALPHABET, k=drawn.randrange(1, 70_000 // 16)))
    return "".join(map(chr, drawn.choices(range(0x2FF), k=drawn.randrange(90))))


@pytest.mark.django_db
def test_a_slip_of_the_hand_asks_nobody(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert codes(slips()) == codes(swaps()) == {"malformed"}
    assert sum(1 for _ in slips()) > 60 * len(TOKEN)


@pytest.mark.django_db
def test_nor_does_what_somebody_made_up(django_assert_num_queries):
    seed = random.randrange(2**32)
    drawn = random.Random(seed)
    with django_assert_num_queries(0):
        for _ in range(TIMES):
            token = made_up(drawn)
            # One in four thousand million has the right checksum: that one may ask.
            plausible = secrets.parse(token) is not None
            assert is_plausible(token) is plausible, (seed, token)
            assert plausible or codes([token]) == {"malformed"}, (seed, token)


@pytest.mark.django_db(transaction=True)
def test_what_is_remembered_of_a_key_helps_none_of_its_likenesses():
    remembered.forget_all()
    credential, token = make_live_key()
    audience = credential.grant.phase.release.audience
    assert verify(token, audience=audience, scope=None).known
    for like in (token[:-1], token + "0", f" {token}", token.swapcase(), token + "\u0000"):
        found = verify(like, audience=audience, scope=None)
        assert (found.verdict.code, found.facts, found.known) == ("malformed", None, None)
