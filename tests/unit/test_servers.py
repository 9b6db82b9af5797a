"""Where the tests' own engines keep their data."""

import pytest

from tests import servers


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """There is as much room as is wanted, whatever the disk of the machine says."""
    monkeypatch.setattr(servers, "ENOUGH", 1)
    return tmp_path


def test_in_memory_in_a_folder_of_their_own(memory):
    for _run in range(2):
        place = servers.data(memory)
        assert place.parent == memory
        assert place.stat().st_mode & 0o777 == 0o700


def test_on_disk_where_memory_has_no_room_or_is_not_there(memory, monkeypatch):
    assert servers.data(memory / "nowhere") == servers.ON_DISK
    monkeypatch.setattr(servers, "ENOUGH", 2**60)
    assert servers.data(memory) == servers.ON_DISK


@pytest.mark.parametrize("theirs", ["open", "link", "file"])
def test_on_disk_where_the_folder_may_be_somebody_else_s(memory, theirs):
    place = servers.data(memory)
    place.rmdir()
    if theirs == "open":
        place.mkdir()
        place.chmod(0o777)
    elif theirs == "link":
        place.symlink_to(memory, target_is_directory=True)
    else:
        place.touch()
    assert servers.data(memory) == servers.ON_DISK
