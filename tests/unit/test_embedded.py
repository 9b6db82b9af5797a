"""The launcher of the real engines, tried on real engines."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import redis

from portal import embedded
from portal.embedded import folders, postgres, process

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes user")
SWIFT = 20  # seconds to wait for what takes well under one

# Starts engines in the folder named, says so, and waits to be killed.
OWNER = """
import json, sys, time
from pathlib import Path
from portal import embedded
with embedded.servers(Path(sys.argv[1])) as urls:
    print(json.dumps(urls), flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True, scope="module")
def nothing_given():
    """The tests' own engines are in the environment; here we start others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL")
        patch.delenv("REDIS_URL")
        yield


@pytest.fixture(scope="module")
def room():
    """Where this run has its own engines, in memory if it can: each of ours is a thousand files."""
    with TemporaryDirectory(dir=os.environ["TESTS_SHARED"], ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def own(room):
    """A folder of one's own."""
    with TemporaryDirectory(dir=room, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def built(nothing_given, room):
    """A home whose engines were built, started and ended: building takes longest by far.

    An earlier build of it was interrupted.
    """
    home = room / "built"
    beside = embedded.private(home) / "postgres.new"
    beside.mkdir()
    (beside / "PG_VERSION").write_text("18\n")
    with embedded.servers(home):
        pass
    return home


@pytest.fixture
def home(built, own):
    """A home of one's own, built already."""
    home = own / "data"
    subprocess.run(["cp", "-a", built, home], check=True)
    yield home
    with ExitStack() as stack:  # Valkey stays for ever where it finds no folder to save its data in
        for name in ("postgres", "valkey"):
            process.claim(home, name, stack)


@pytest.fixture
def bare(tmp_path):
    """Where nothing has been started yet."""
    return tmp_path / "bare"


@pytest.fixture(scope="module")
def running(built, room):
    """(home, addresses) of engines that are on, for tests that only look."""
    home = room / "running"
    subprocess.run(["cp", "-a", built, home], check=True)
    with embedded.servers(home) as urls:
        yield home, urls


def until(condition):
    deadline = time.monotonic() + SWIFT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ask(url, question="SELECT 1"):
    with psycopg.connect(url) as link:
        return link.execute(question).fetchone()[0]


def do(url, statement):
    with psycopg.connect(url) as link:
        link.execute(statement)


@contextlib.contextmanager
def owner(home):
    """Another process that holds engines in `home`."""
    command = [sys.executable, "-c", OWNER, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            yield other, json.loads(other.stdout.readline())
        finally:
            other.kill()


def test_serves_postgresql_with_its_extensions_to_a_role_that_is_no_superuser(running):
    _home, urls = running
    with psycopg.connect(urls["DATABASE_URL"]) as link:
        rights = link.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert rights == (False, True, False)
        link.execute("CREATE EXTENSION citext")
        link.execute("CREATE EXTENSION pg_trgm")
        assert link.execute("SELECT lower('ÅSA'), 'É'::citext = 'é'").fetchone() == ("åsa", True)


def test_serves_a_broker(running):
    _home, urls = running
    with redis.Redis.from_url(urls["REDIS_URL"]) as broker:
        broker.set("a", "1")
        assert broker.get("a") == b"1"


def test_a_wrong_password_and_the_superuser_are_refused(running):
    home, urls = running
    secret = (home / "password").read_text()
    for url in (
        urls["DATABASE_URL"].replace(secret, "wrong"),
        urls["DATABASE_URL"].replace("//portal:", "//postgres:"),
    ):
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            ask(url)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(urls["REDIS_URL"].replace(secret, "wrong")).ping()


def test_what_is_secret_is_private(running):
    home, _urls = running
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("password", "urls.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


@LINUX
def test_the_password_is_in_no_command_line(running):
    home, _urls = running
    secret = (home / "password").read_text().encode()
    pids = [(home / f"{name}.lock").read_text() for name in ("postgres", "valkey")]
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
    assert [secret in line for line in lines] == [False, False]
    assert b"postgres" in lines[0]
    assert b"valkey" in lines[1]


def test_keeps_the_data_from_one_start_to_the_next(home):
    with embedded.servers(home) as urls:
        do(urls["DATABASE_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
        redis.Redis.from_url(urls["REDIS_URL"]).set("kept", "7")
    with embedded.servers(home) as urls:
        assert ask(urls["DATABASE_URL"], "SELECT n FROM kept") == 7
        assert redis.Redis.from_url(urls["REDIS_URL"]).get("kept") == b"7"


def test_leaves_nothing_running(home):
    with embedded.servers(home):
        pids = [int((home / f"{name}.lock").read_text()) for name in ("postgres", "valkey")]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not (home / "urls.json").exists()


def test_what_the_environment_gives_is_not_started(bare, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/portal")
    with embedded.servers(bare) as urls:
        assert list(urls) == ["REDIS_URL"]
        assert not (bare / "postgres").exists()
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    with embedded.servers(bare) as urls:
        assert urls == {}


def test_recovers_from_a_build_that_was_interrupted(built, running):
    _home, urls = running
    assert ask(urls["DATABASE_URL"]) == 1
    assert not (built / "postgres.new").exists()


def test_a_stale_process_id_that_now_belongs_to_another_does_not_matter(home):
    with embedded.servers(home):
        pass
    (home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/nowhere\n")
    with embedded.servers(home) as urls:
        assert ask(urls["DATABASE_URL"]) == 1


@LINUX
def test_engines_end_with_their_owner_and_the_data_survives_a_kill(home):
    with owner(home) as (other, urls):
        do(urls["DATABASE_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
        pids = [int((home / f"{name}.lock").read_text()) for name in ("postgres", "valkey")]
        other.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    with embedded.servers(home) as urls:
        assert ask(urls["DATABASE_URL"], "SELECT n FROM kept") == 7


@LINUX
def test_a_start_right_after_a_kill_waits_for_the_old_engines(home):
    for n in range(2):
        with owner(home) as (_, urls):
            do(urls["DATABASE_URL"], f"CREATE TABLE kept{n} (n int)")
    with embedded.servers(home) as urls:
        assert (
            ask(urls["DATABASE_URL"], "SELECT count(*) FROM pg_tables WHERE tablename ~ 'kept'")
            == 2
        )


def test_engines_that_outlived_their_owner_are_told_to_stop(bare, monkeypatch):
    # As where the kernel does not tie them: the lock is held, by the process whose id is in it.
    monkeypatch.setattr(process, "GRACE", 0.1)
    path = embedded.private(bare) / "postgres.lock"
    with ExitStack() as stack:
        lock = embedded.hold(path, stack)
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
        path.write_text(str(orphan.pid))
    with ExitStack() as stack:
        assert embedded.hold(path, stack) is None
        process.claim(bare, "postgres", stack)
    assert orphan.wait() == -signal.SIGINT


def test_a_second_process_shares_the_engines(home):
    with owner(home) as (_, urls), embedded.servers(home) as shared:
        assert shared == urls
        assert ask(shared["DATABASE_URL"]) == 1


def test_engines_linger_for_those_who_share_them(home):
    begun, finish = threading.Event(), threading.Event()
    ended = []

    def guest():
        with embedded.servers(home) as urls:
            begun.set()
            finish.wait(SWIFT)
            ended.append(ask(urls["DATABASE_URL"]))

    sharing = threading.Thread(target=guest)
    with embedded.servers(home, linger=True):
        sharing.start()
        assert begun.wait(SWIFT)
        threading.Timer(0.3, finish.set).start()
    sharing.join()
    assert ended == [1]


def test_durable_engines_write_through(running):
    _home, urls = running
    assert ask(urls["DATABASE_URL"], "SHOW fsync") == "on"


def test_throwaway_engines_side_by_side_go_with_their_folders(own):
    """What a killed run left is swept, what is in use is not."""
    left = embedded.private(own / "left")
    (left / "owner.lock").touch()
    (left / "something").touch()
    with (
        embedded.throwaway(own) as (one, first),
        embedded.throwaway(own) as (two, second),
    ):
        assert not left.exists()
        assert (one.exists(), two.exists(), one != two) == (True, True, True)
        do(first["DATABASE_URL"], "CREATE TABLE mine (n int)")
        assert ask(second["DATABASE_URL"], "SELECT to_regclass('mine')") is None
        assert ask(second["DATABASE_URL"], "SHOW fsync") == "off"
    assert (one.exists(), two.exists()) == (False, False)


def test_a_port_that_is_taken_means_the_next(home, monkeypatch):
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(9)]
        ports = [each.getsockname()[1] for each in taken]
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
        monkeypatch.setattr(process, "PORTS", ports)
        monkeypatch.setattr(process, "ATTEMPTS", len(ports))
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
        with embedded.servers(home) as urls:
            assert ask(urls["DATABASE_URL"]) == 1
            assert f":{ports[-1]}/" in urls["DATABASE_URL"]


def test_an_engine_that_does_not_start_shows_its_log(home):
    with embedded.servers(home):
        pass
    (home / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(embedded.EngineError, match="no_such_setting"), embedded.servers(home):
        pass


def test_a_build_that_fails_says_why(bare, tmp_path):
    with ExitStack() as stack:
        place = process.claim(embedded.private(bare), "postgres", stack)
        with pytest.raises(embedded.EngineError, match="no such option"):
            process.run(place, tmp_path, lambda _: ["/bin/sh", "-c", "echo no such option; exit 1"])


def test_postgresql_before_17_takes_the_systems_unicode_rules(tmp_path):
    old = tmp_path / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.4 (Debian 15.4-1)'\n")
    old.chmod(0o755)
    assert postgres.locale(old) == ["--locale=C.UTF-8"]


@ROOT
def test_under_root_the_engines_are_somebody_else(running):
    home, _urls = running
    user = folders.engine_user().pw_uid
    assert user != 0
    for name in ("postgres", "valkey"):
        pid = (home / f"{name}.lock").read_text()
        assert Path(f"/proc/{pid}").stat().st_uid == user
