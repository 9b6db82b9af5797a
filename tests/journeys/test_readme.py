"""The README's commands that set an installation up, run. `make run` is in
tests/faults/test_run.py, servers and workers in tests/processes.py; `make test` runs this.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from tests.processes import portal_environment

BIN = Path(sys.executable).parent


def commands():
    """The commands in the README's shell blocks, without their comments."""
    text = (settings.BASE_DIR / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [line.partition("  #")[0].strip() for line in lines]


@pytest.fixture
def production(tmp_path):
    """The environment of a real installation, on this test's own servers."""
    env = portal_environment(
        ALLOWED_HOSTS="portal.example,127.0.0.1",
        BASE_URL="https://portal.example",
        DATA_DIR=str(tmp_path),
        SANDBOX_URL="",
        SECURITY_CONTACT="mailto:security@portal.example",
        TRUSTED_PROXY_COUNT="1",
    )
    for name in ("DEMO", "DEBUG"):
        env.pop(name, None)
    return env


def run(line, env, **more):
    command = shlex.split(line)
    if command[0].startswith(".venv/bin/"):
        command[0] = str(BIN / command[0].removeprefix(".venv/bin/"))
    return subprocess.run(
        command, env=env, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, **more
    )


def test_the_commands_are_these():
    """One more in the README wants one more below."""
    assert [line.split()[0] for line in commands()] == [
        "make",
        "make",
        "python3",
        ".venv/bin/pip",
        ".venv/bin/python",
        ".venv/bin/python",
        ".venv/bin/python",
        ".venv/bin/granian",
        ".venv/bin/celery",
        ".venv/bin/celery",
        ".venv/bin/python",
    ]


def test_an_environment_from_the_production_lock(tmp_path):
    make, install = commands()[2:4]
    assert make == "python3 -m venv .venv"
    made = subprocess.run([sys.executable, "-m", "venv", tmp_path / ".venv"], check=False)
    assert made.returncode == 0
    # What it would install, with its hashes, is what runs this test: nothing is fetched twice.
    done = run(f"{install} --dry-run --quiet", None, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db(transaction=True)
def test_an_installation_checks_migrates_and_has_its_first_staff(production, tmp_path):
    check, migrate, collect = commands()[4:7]
    for line in (check, migrate):
        done = run(line, production, timeout=120)
        assert done.returncode == 0, done.stderr
    done = run(f"{collect} --dry-run", production, timeout=120)
    assert done.returncode == 0, done.stderr

    done = run(commands()[10], production, timeout=120)

    assert done.returncode == 0, done.stderr
    assert User.objects.filter(email="you@example.org", is_staff=True).exists()
