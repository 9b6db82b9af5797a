"""`make run` as a newcomer meets it: it comes up, it goes away whole, it survives being killed."""

import contextlib
import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest

from portal import embedded
from portal.demo.people import address_of
from portal.demo.texts import PASSWORD
from tests.journeys.visitor import Visitor
from tests.journeys.whole_story import run_curl

ROOT = Path(__file__).resolve().parents[2]
UP = "Ctrl-C stops everything"
# What the tests themselves were given; a newcomer's shell has none of it.
GIVEN = (
    *("DATABASE_URL", "REDIS_URL"),
    *("SECRET_KEY", "CREDENTIAL_PEPPERS", "SIGNING_KEYS", "DEMO"),
)
EMBEDDED = {"postgres", "valkey", "urls.json", "password"}
# Seconds within which a second start is up, on two cores that have nothing else to do. Beside other
# tests the clock counts what those do, too. The processors' own time does not grow by waiting, so
# that is always asked: more than two cores have to give within these seconds can never be quick.
# By the clock it is asked where this file runs alone, as .ci/run has it, whatever the load.
QUICK = 15
ALONE = "PYTEST_XDIST_WORKER" not in os.environ
# Only Linux's kernel sees to it that all ends with a process that could not.
HARDEST = signal.SIGKILL if sys.platform == "linux" else signal.SIGINT


class Run:
    """One `make run`, and all the processes that came of it.

    Without `make` it is what make runs, so that its own exit status is seen.
    """

    def __init__(self, data, output, command=(sys.executable, "-m", "portal.run"), **told):
        env = {name: value for name, value in os.environ.items() if name not in GIVEN} | told
        self.began = time.monotonic()
        self.output = output
        self.family = []
        with output.open("w") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env | {"DATA_DIR": str(data)},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self):
        return self.output.read_text()

    def wait_until_up(self, patience=240):
        until(lambda: UP in self.said or self.process.poll() is not None, patience, self)
        assert self.process.poll() is None, self.said
        self.took = time.monotonic() - self.began
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        self.worked = sum(map(worked, [psutil.Process(self.process.pid), *self.family]))
        return self

    def end(self, by):
        """Ctrl-C is sent to all of a terminal's group, other signals to one process."""
        if by == signal.SIGINT:
            os.killpg(self.process.pid, by)
        else:
            self.process.send_signal(by)
        status = self.process.wait(30)
        until(lambda: not self.alive(), 30, self)
        return status

    def alive(self):
        return [each for each in self.family if each.is_running()]

    def named(self, part):
        """Those of the family with this in their command line, the eldest first."""
        return [each for each in self.family if part in " ".join(each.cmdline())]


def worked(process):
    """Seconds of processor that it has had, and those of its children that have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        had = process.cpu_times()
        return had.user + had.system + had.children_user + had.children_system
    return 0


def until(condition, patience, run):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{run.alive()}\n{run.said}"
        time.sleep(0.05)


@pytest.fixture
def start(data, tmp_path):
    """Start it on the folder that has the demo already; what is left at the end is ended."""
    with contextlib.ExitStack() as stack:

        def begin(data=data, **told):
            run = Run(data, tmp_path / f"{time.monotonic_ns()}.log", **told)
            stack.callback(end_all, run)
            return run

        yield begin


def end_all(run):
    for each in [*run.alive(), run.process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    run.process.wait()


@pytest.fixture(scope="module")
def folder():
    """Where the tests have their own engines, in memory if they can."""
    with TemporaryDirectory(dir=os.environ["TESTS_SHARED"], ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def first(folder):
    """The first start of all, on an empty folder, ended by Ctrl-C."""
    # The environment stands; whether it is fresh is not this test's business.
    make = ("make", "-o", ".venv/.installed", "run")
    run = Run(folder / "data", folder / "first.log", make)
    try:
        run.wait_until_up()
        url = json.loads((folder / "data" / "urls.json").read_text())["DATABASE_URL"]
        with psycopg.connect(url) as link:
            link.execute("CREATE TABLE kept AS SELECT 7 AS n")
        run.answers = [answer(address) for address in addresses(run)]
        run.called = run_curl(line_for_ada(run))
        run.status = run.end(by=signal.SIGINT)
        run.left = run.alive()
    finally:
        end_all(run)
    return run, folder / "data"


@pytest.fixture
def data(first):
    return first[1]


@pytest.fixture
def own_servers(data, monkeypatch):
    """PostgreSQL, with the demo in it, and Valkey, started by somebody else."""
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    with embedded.servers(data) as urls:
        yield urls


def addresses(run):
    portal = re.search(r"Portal +(\S+)/", run.said)[1]
    sandbox = re.search(r"Sandbox +(\S+)/", run.said)[1]
    return [f"{portal}/healthz", f"{portal}/readyz", f"{sandbox}/healthz"]


def line_for_ada(run):
    """The line to paste that Ada's page shows her, once, with the key she claims."""
    ada = Visitor(addresses(run)[0].removesuffix("/healthz")).get("/accounts/login/")
    ada.send({"login": address_of("Ada Lindqvist"), "password": PASSWORD})
    ada.get(re.search(r"/access/keys/\w+/claim/", ada.get("/access/").text)[0])
    ada.send({"password": PASSWORD})  # a claim wants to know anew who it is
    ada.send({"name": "Laboratory machine"})
    curl = re.search(r'<pre id="curl"[^>]*><code>(.*?)</code>', ada.text, re.DOTALL)[1]
    return html.unescape(curl)


def answer(address):
    with urllib.request.urlopen(address, timeout=5) as reply:
        return reply.status


def test_the_first_start_loads_the_demo_and_everything_answers(first):
    run, data = first
    assert run.answers == [200, 200, 200]
    assert (data / "demo" / "welcome.txt").read_text().rstrip() in run.said
    assert "curl http://127.0.0.1:" in run.said


def test_a_key_that_is_claimed_opens_the_sandbox(first):
    status, said = first[0].called
    assert status == 200, said


def test_ctrl_c_leaves_no_process(first):
    run, _ = first
    assert len(run.family) > 8  # or there was nothing that could be left
    assert (run.status, run.left) == (-signal.SIGINT, [])


def interrupted(run, by):
    """It was ended while it started its processes, and left none of them."""
    until(lambda: "Starting web" in run.said, 120, run)
    run.family = psutil.Process(run.process.pid).children(recursive=True)
    run.end(by)


def test_ctrl_c_while_it_starts_leaves_no_process(start):
    interrupted(start(), signal.SIGINT)


def test_so_does_kill_9_and_the_next_start_is_quick_keeps_the_data_and_is_the_only_one(start, data):
    """Which is harder than after an end in order: it recovers first."""
    interrupted(start(), HARDEST)
    run = start().wait_until_up()
    assert 1 < run.worked < 2 * QUICK  # or it was not counted
    assert run.took < QUICK or not ALONE, f"{run.worked} s of work, load {os.getloadavg()}"
    assert "Loading the demo" not in run.said
    url = json.loads((data / "urls.json").read_text())["DATABASE_URL"]
    with psycopg.connect(url) as link:
        assert link.execute("SELECT n FROM kept").fetchone() == (7,)
    another = start()
    assert another.process.wait(60) == 1
    assert "It runs already" in another.said
    assert run.end(by=signal.SIGTERM) == 0


def test_with_servers_of_ones_own_nothing_embedded_is_started(own_servers, start, tmp_path):
    """On a demo that another folder loaded, so this one's sandbox gets credentials of its own."""
    run = start(tmp_path / "data", **own_servers).wait_until_up()
    for engine in ("bin/postgres", "valkey-server", "redis-server"):
        assert not run.named(engine)
    assert not EMBEDDED & {each.name for each in (tmp_path / "data").iterdir()}
    assert "Loading the demo" not in run.said
    wrong = f"tpk_live_{'0' * 16}_{'0' * 43}"
    line = re.search(r"curl http.*?}'", run.said, re.DOTALL)[0].replace("$KEY", wrong)
    assert run_curl(line)[0] == 401  # the portal knows the sandbox, or this would be 503
    # When one is killed all end, also its workers, which a killed web server leaves behind.
    run.named("portal.wsgi")[0].kill()
    assert run.process.wait(30) != 0
    until(lambda: not run.alive(), 30, run)
