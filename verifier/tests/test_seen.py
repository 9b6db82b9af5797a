"""What is kept of tokens seen before, and for how long."""

from access_verifier.seen import Seen


def kept(seen):
    return [name for name in "abcdefg" if seen.get(seen.name(name)) == name.upper()]


def test_the_younger_half_and_the_half_before_it_are_known():
    seen, known = Seen(4), []
    for name in "abcdefg":
        seen.put(seen.name(name), name.upper())
        known.append("".join(kept(seen)))
    assert known == ["a", "ab", "abc", "abcd", "cde", "cdef", "efg"]


def test_nothing_is_kept_where_nothing_is_to_be():
    for most in (0, 1):
        seen = Seen(most)
        seen.put(seen.name("a"), "A")
        assert kept(seen) == []
