"""The parts of `make run`; tests/faults/test_run.py has the whole."""

import http.server
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from portal import variables
from portal.run import environment, health, ports, processes, welcome

SECRETS = {"METRICS_TOKEN", "SECRET_KEY", "CREDENTIAL_PEPPERS", "SIGNING_KEYS"}

# Runs the commands named as arguments side by side; `give up` makes it do so at once.
SIDE_BY_SIDE = """
import sys
from portal.run.processes import Processes
processes = Processes()
for number, command in enumerate(sys.argv[2:]):
    processes.add_process(f"number{number}", command)
def when_started():
    if sys.argv[1] == "give up":
        while not all(processes.is_alive(f"number{n}") for n in range(len(sys.argv) - 2)):
            pass
        processes.give_up("Not healthy in time: web")
sys.exit(processes.run(when_started))
"""


def python(*words, env=None, **options):
    """Run a Python of its own, without what the tests were given."""
    ours = {n: v for n, v in os.environ.items() if n not in ("DATABASE_URL", "REDIS_URL")}
    options = {"capture_output": True, "text": True, "timeout": 120} | options
    env = ours | (env or {})
    return subprocess.run([sys.executable, *words], check=False, env=env, **options)


def test_a_port_that_is_taken_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as taken, ExitStack() as stack:
        port = taken.getsockname()[1]
        assert ports.claim(port, stack) > port


def test_two_runs_do_not_claim_the_same_port_though_neither_listens_yet():
    with ExitStack() as one, ExitStack() as two:
        first = ports.claim(23456, one)
        assert ports.claim(first, two) != first


def test_a_claimed_port_can_be_listened_on_and_is_free_again_afterwards():
    with ExitStack() as stack:
        port = ports.claim(23456, stack)
        with socket.create_server(("127.0.0.1", port)):
            pass
    with ExitStack() as stack:
        assert ports.claim(port, stack) == port


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "DATA", tmp_path)
    monkeypatch.setattr(environment, "GATEWAY", tmp_path / "gateway.env")
    for name in (*SECRETS, "BASE_URL", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_secrets_are_made_once_and_are_private(data):
    first = environment.portal({})
    assert environment.portal({}) == first
    assert len(first["SECRET_KEY"]) > 50
    assert len(first["METRICS_TOKEN"]) >= 32
    assert first["PROMETHEUS_MULTIPROC_DIR"] == str(data / "metrics")
    assert stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600


def test_what_the_caller_says_stands(data, monkeypatch):
    monkeypatch.setenv("BASE_URL", "https://portal.example")
    told = environment.portal({"REDIS_URL": "redis://ours/0"}, 8100, 8101)
    assert told["BASE_URL"] == "https://portal.example"
    assert told["SANDBOX_URL"] == "http://127.0.0.1:8101"
    assert told["REDIS_URL"] == "redis://ours/0"


def test_the_sandbox_knows_no_more_than_a_gateway_elsewhere(data):
    (data / "gateway.env").write_text("SANDBOX_GATEWAY_ID=gw\nSANDBOX_GATEWAY_SECRET=a=b\n")
    told = environment.sandbox(8100, "redis://ours/0")
    assert told["SANDBOX_GATEWAY_SECRET"] == "a=b"
    assert told["PORTAL_URL"] == "http://127.0.0.1:8100"
    assert told["SANDBOX_LIMITS_URL"] == "redis://ours/0"
    assert not {*SECRETS, "DATABASE_URL"} & set(told)


def test_health_names_what_is_missing():
    checks = {"web": lambda: True, "worker": lambda: False}
    assert health.missing_after(checks, patience=0.3) == ["worker"]


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/mad":
            self.wfile.write(b"this is no HTTP")
            return
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_only_a_200_is_healthy():
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert health.answers(f"{address}/well")
        assert not health.answers(f"{address}/ill")
        assert not health.answers(f"{address}/mad")
        server.shutdown()
    assert not health.answers(f"{address}/well")


@pytest.mark.parametrize("broker", ["nobody listens", "wrong password"])
def test_a_broker_that_is_not_there_means_no_worker_yet(broker):
    """`make run` may be given a broker of one's own: it then waits, and says so in the end."""
    theirs = os.environ["REDIS_URL"]
    urls = {
        "nobody listens": "redis://127.0.0.1:1/0",
        "wrong password": f"redis://:wrong@{theirs.rpartition('@')[2]}",
    }
    ask = "from portal.run.health import node_answers; print(node_answers('worker@%h'))"
    env = {"DATABASE_URL": os.environ["DATABASE_URL"], "REDIS_URL": urls[broker]}
    done = python("-c", ask, env=env)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


def test_each_process_has_the_name_it_is_asked_by():
    started = {name: line for name, line in processes.commands(1, 2).items() if "celery" in line}
    assert set(started) == set(processes.NODES)
    for name, node in processes.NODES.items():
        assert f"--hostname {node} " in started[name]
    assert len(set(processes.NODES.values())) == len(processes.NODES)


@pytest.mark.django_db(transaction=True)
def test_an_answer_of_one_worker_is_not_taken_for_anothers(worker):
    worker.name = f"worker@{socket.gethostname()}"
    worker.start()
    with ThreadPoolExecutor() as pool:  # three are asked in vain, which takes a second each
        answered = pool.map(health.node_answers, processes.NODES.values())
    assert dict(zip(processes.NODES, answered, strict=True)) == {
        **dict.fromkeys(processes.NODES, False),
        "worker": True,
    }


def test_the_welcome_shows_addresses_sign_ins_and_a_call(tmp_path, monkeypatch):
    monkeypatch.setattr(welcome, "SIGN_INS", tmp_path / "welcome.txt")
    welcome.SIGN_INS.write_text("  ada@example.org   a password\n")
    said = welcome.text("http://127.0.0.1:8100", "http://127.0.0.1:8101")
    assert "http://127.0.0.1:8100/\n" in said
    assert "  ada@example.org   a password\n" in said
    assert "curl http://127.0.0.1:8101/sandbox/v1/responses" in said


def test_when_one_process_ends_all_end_with_its_status():
    done = python("-c", SIDE_BY_SIDE, "", "sleep 0.5; exit 3", "exec sleep 60")
    assert done.returncode == 3


def test_what_a_process_leaves_behind_is_ended_with_it(tmp_path):
    left = f"sleep 60 & echo $! > {tmp_path}/left; exec sleep 0.5"
    python("-c", SIDE_BY_SIDE, "", left, "exec sleep 60")
    pid = int((tmp_path / "left").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_giving_up_says_why_and_fails():
    done = python("-c", SIDE_BY_SIDE, "give up", "exec sleep 60", "exec sleep 60")
    assert "Not healthy in time: web" in done.stdout
    assert done.returncode not in (0, None)


def test_a_command_gets_settings_and_servers_and_its_status_is_ours(tmp_path):
    ask = "import os, sys; print(os.environ['DATABASE_URL'], os.environ['DEMO']); sys.exit(3)"
    command = ("-m", "portal.run", "--", sys.executable, "-c", ask)
    done = python(*command, env={"DATA_DIR": str(tmp_path / "data")})
    assert done.stdout.startswith("postgres://portal:")
    assert done.stdout.endswith(" 1\n")
    assert done.returncode == 3


def test_reset_says_what_it_leaves_alone(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    elsewhere = {"DATA_DIR": str(data), "DATABASE_URL": "postgres://own@127.0.0.1:1/own"}
    done = python("-m", "portal.run.reset", env=elsewhere, input="no\n")
    assert "DATABASE_URL names is not touched" in done.stdout
    done = python("-m", "portal.run.reset", env={"DATA_DIR": str(data)}, input="no\n")
    assert "DATABASE_URL" not in done.stdout


@pytest.mark.parametrize(("answer", "kept"), [("no\n", True), ("", True), ("yes\n", False)])
def test_reset_deletes_only_after_a_yes(tmp_path, answer, kept):
    data = tmp_path / "data"
    for name in ("postgres", "tests"):
        (data / name).mkdir(parents=True)
    (data / "password").touch()
    done = python("-m", "portal.run.reset", env={"DATA_DIR": str(data)}, input=answer)
    assert (data / "postgres").exists() == kept
    assert (data / "password").exists() == kept
    assert (data / "tests").exists()
    assert done.returncode == int(kept)


def test_reset_does_not_touch_what_runs(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with ExitStack() as stack:
        environment.embedded.hold(data / "owner.lock", stack)
        done = python("-m", "portal.run.reset", env={"DATA_DIR": str(data)}, input="yes\n")
    assert "Stop it first" in done.stderr
    assert data.exists()


def test_reset_of_nothing(tmp_path):
    done = python("-m", "portal.run.reset", env={"DATA_DIR": str(tmp_path / "none")})
    assert (done.returncode, done.stdout) == (0, "There is no data.\n")


def test_secrets_survive_as_json(data):
    environment.portal({})
    assert set(json.loads((data / "secrets.json").read_text())) == SECRETS


def test_what_an_older_file_lacks_is_added_and_the_rest_is_kept(data):
    (data / "secrets.json").write_text('{"SECRET_KEY": "kept", "CREDENTIAL_PEPPERS": "1:kept"}')
    first = environment.portal({})
    assert (first["SECRET_KEY"], first["CREDENTIAL_PEPPERS"]) == ("kept", "1:kept")
    assert environment.portal({}) == first
    assert len(variables.read_signing_keys(first["SIGNING_KEYS"])) == 1
    assert stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600
