import pytest

from portal import peppers

OLD, NEW = bytes(32), bytes(range(32))


@pytest.fixture
def two_versions(settings):
    settings.CREDENTIAL_PEPPERS = {2: NEW, 1: OLD}


def test_known_answer(settings):
    # printf 'tpk/1\0message' | openssl dgst -sha256 -mac HMAC -macopt hexkey:<64 zeros>
    settings.CREDENTIAL_PEPPERS = {7: bytes(32)}
    version, digest = peppers.keyed_hash(b"tpk/1", b"message")
    assert (version, digest.hex()) == (
        7,
        "604b323c012fb6d6d6a111e11eb01a30e1de02ae40b364d6a6e694d83b4cb9c2",
    )


def test_the_first_that_is_listed_hashes_and_all_verify(settings, two_versions):
    settings.CREDENTIAL_PEPPERS = {1: OLD}
    old = peppers.keyed_hash(b"c", b"m")
    settings.CREDENTIAL_PEPPERS = {2: NEW, 1: OLD}
    new = peppers.keyed_hash(b"c", b"m")
    assert (old[0], new[0]) == (1, 2)
    assert old[1] != new[1]
    assert peppers.matches(b"c", b"m", *old)
    assert peppers.matches(b"c", b"m", *new)


def test_a_withdrawn_pepper_verifies_nothing(settings, two_versions):
    version, digest = peppers.keyed_hash(b"c", b"m")
    settings.CREDENTIAL_PEPPERS = {1: OLD}
    assert not peppers.matches(b"c", b"m", version, digest)


@pytest.mark.parametrize(
    ("context", "message"), [(b"c", b"other"), (b"other", b"m"), (b"c\x00m", b"")]
)
def test_another_context_or_message_does_not_match(two_versions, context, message):
    assert not peppers.matches(context, message, *peppers.keyed_hash(b"c", b"m"))


def test_nothing_stored_matches_nothing(two_versions):
    assert not peppers.matches(b"c", b"m", None, None)
    assert not peppers.matches(b"c", b"m", 2, None)
    assert not peppers.matches(b"c", b"m", None, peppers.keyed_hash(b"c", b"m")[1])


def test_what_was_hashed_moves_on_and_never_back(settings):
    """While a new pepper is rolled out some processes list it last, others first already."""
    early, late = {1: OLD, 2: NEW}, {2: NEW, 1: OLD}
    settings.CREDENTIAL_PEPPERS = early
    old = peppers.keyed_hash(b"c", b"m")
    assert (old[0], peppers.rehash(b"c", b"m", 1)) == (1, None)
    settings.CREDENTIAL_PEPPERS = late
    moved = peppers.rehash(b"c", b"m", old[0])
    assert (moved.version, moved.old) == (2, old[1])
    settings.CREDENTIAL_PEPPERS = early  # knows it already, so refuses nobody
    assert peppers.matches(b"c", b"m", moved.version, moved.digest)
    assert peppers.rehash(b"c", b"m", moved.version) is None
