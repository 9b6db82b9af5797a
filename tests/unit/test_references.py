"""Public references: random, unmistakable when read out."""

import re

from portal.references import ALPHABET, LENGTH, new_reference


def test_a_reference_is_its_prefix_and_eight_characters_nobody_mixes_up():
    for _ in range(200):
        assert re.fullmatch(f"APP-[{ALPHABET}]{{{LENGTH}}}", new_reference("APP"))
    assert set(ALPHABET) & set("0O1IL2Z5S8BUV") == set()
    assert len(set(ALPHABET)) == len(ALPHABET)


def test_references_do_not_repeat():
    assert len({new_reference("APP") for _ in range(2000)}) == 2000
