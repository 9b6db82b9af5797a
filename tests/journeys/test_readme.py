"""The README's commands that set an installation up, run as they are written. `make run` is in
tests/faults/test_run.py; `make test` runs this.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings

from accounts.models import User
from portal.variables import read_signing_keys
from tests.journeys.test_locks import pins
from tests.processes import free_port, process, production_environment, until, wait_for

TREE = ("accounts", "portal", "templates", "manage.py", "requirements.lock")


def commands():
    """The commands in the README's shell blocks, without their comments."""
    text = (settings.BASE_DIR / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [line.partition("  #")[0].strip() for line in lines]


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
        ".venv/bin/celery",
        ".venv/bin/celery",
        ".venv/bin/python",
    ]


def inline():
    """The commands that stand within its sentences and tables."""
    text = (settings.BASE_DIR / "README.md").read_text()
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [said for said in re.findall(r"`([^`]+)`", text) if re.match(r"[a-z.][\w./-]* ", said)]


RESET = "make reset"
NEW_KEY = (
    '.venv/bin/python -c "from portal.variables import new_signing_key; print(new_signing_key())"'
)
ANOTHER_KEY = ".venv/bin/python manage.py make_signing_key"
FORGED = "curl -H 'X_Forwarded_For: 192.0.2.1'"
RUN = {RESET, NEW_KEY, ANOTHER_KEY, FORGED, "make help"}
NAMED = {
    "make run": "tests/faults/test_run.py runs it as a newcomer does",
    "check --deploy": "what it is called; it is run with its full name from a block",
}


def test_the_commands_within_sentences_are_these():
    """Each is run below, or named with where it is."""
    assert {*inline()} == RUN | {*NAMED}


HELPED = ["help", "run", "reset", "test", "check", "bench", "bench-stack", "lock"]


def test_make_help_lists_the_other_targets():
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    targets = [line.split()[1] for line in done.stdout.splitlines()]
    assert targets == HELPED


def reset(data, answer):
    # The environment stands; whether it is fresh is not this test's business.
    command = [*RESET.split(), "--no-print-directory", "-o", ".venv/.installed"]
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=env | {"DATA_DIR": str(data)},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_reset_throws_the_data_away_after_asking(tmp_path):
    kept = tmp_path / "postgres" / "base"
    kept.mkdir(parents=True)
    for answer in ("no\n", ""):
        refused = reset(tmp_path, answer)
        assert refused.returncode != 0
        assert f"Delete {tmp_path} with everything in it?" in refused.stdout
        assert kept.exists()
    assert reset(tmp_path, "yes\n").returncode == 0
    assert not kept.parent.exists()


def test_ci_installs_the_production_lock_as_written():
    """Fetching it all is not for these tests, which link what they have: so CI does it."""
    done = (settings.BASE_DIR / ".ci" / "run").read_text().splitlines()
    make, install = commands()[2:4]
    assert [line.strip() for line in done if line.strip() in (make, install)] == [make, install]


# --- An installation --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A copy of the tree, with an environment that holds what the production lock names and no
    more. What pip would bring is linked from here, so that nothing is fetched twice; and as it has
    nothing to do, it is not brought either, which takes longer than all the rest.
    """
    home = tmp_path_factory.mktemp("installation")
    for name in TREE:
        source = settings.BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, home / name)
        else:
            shutil.copy(source, home / name)
    make, install = commands()[2:4]
    assert make == "python3 -m venv .venv"
    subprocess.run([sys.executable, *make.split()[1:], "--without-pip"], cwd=home, check=True)
    assert install == ".venv/bin/pip install --require-hashes -r requirements.lock"
    for name in pins("requirements.lock"):
        link(metadata.distribution(name), home / ".venv")
    return home


def link(package, environment):
    [site] = environment.glob("lib/python3*/site-packages")
    for file in package.files:
        top = file.parts[0]
        if top == "..":
            script = environment / "bin" / file.name
            text = Path(package.locate_file(file)).read_text()
            script.write_text(re.sub(r"\A#!.*", f"#!{environment}/bin/python", text))
            script.chmod(0o755)
        elif top != "__pycache__" and not (site / top).exists():
            (site / top).symlink_to(package.locate_file(top))


@pytest.fixture
def production(tmp_path):
    """The environment of a real installation, on this test's own servers."""
    return production_environment(
        DATA_DIR=str(tmp_path),
        SANDBOX_URL="",
        TRUSTED_PROXY_COUNT="1",
        GRANIAN_PORT=str(free_port()),
    )


def run(line, env, home):
    done = subprocess.run(
        as_written(line, home), env=env, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_written(line, home):
    program, *words = shlex.split(line)
    return [str(home / program), *words]


def fetch(url, **headers):
    """As a proxy in front would pass it on."""
    told = {"Host": "portal.example.org", "X-Forwarded-Proto": "https"} | headers
    told["X-Forwarded-For"] = "192.0.2.1"
    with urllib.request.urlopen(urllib.request.Request(url, headers=told), timeout=20) as answer:
        return answer.read().decode()


@pytest.mark.django_db(transaction=True)
def test_an_installation_checks_migrates_and_has_its_first_staff(home, production):
    check, migrate, staff = commands()[4], commands()[5], commands()[12]
    for line in (check, migrate, staff):
        run(line, production, home)
    assert User.objects.filter(email="you@example.org", is_staff=True).exists()


def test_signing_keys_are_made(home, production):
    """The very first before there is any variable, as the command for more wants all of them."""
    bare = {"PATH": production["PATH"]}
    first, another = run(NEW_KEY, bare, home), run(ANOTHER_KEY, production, home)
    keys = read_signing_keys(f"{first.strip()},{another.strip().splitlines()[0]}")
    assert len(keys) == 2


@pytest.mark.django_db(transaction=True)
def test_an_installation_serves_and_works(home, production, tmp_path):
    collect, web, worker, mails, hooks, beat = commands()[6:12]
    run(collect, production, home)
    address = f"http://127.0.0.1:{production['GRANIAN_PORT']}"
    with contextlib.ExitStack() as stack:
        serving, *others, ringing = [
            stack.enter_context(start(line, production, home))
            for line in (web, worker, mails, hooks, beat)
        ]
        wait_for(f"{address}/healthz", serving)
        page = fetch(f"{address}/accounts/login/")
        style = re.search(r'href="(/static/portal/base\.[0-9a-f]{12}\.css)"', page)[1]
        assert "{" in fetch(f"{address}{style}")
        # With nothing in front that would drop it, it is at least taken.
        subprocess.run([*shlex.split(FORGED), "-fsS", f"{address}/healthz"], check=True)
        until(lambda: len(current_app.control.ping(timeout=1, limit=3)) == 3)
        until(lambda: list(tmp_path.glob("celerybeat-schedule*")))
        assert ringing.poll() is None
        for each in others:
            each.terminate()  # beside one another, as ending in order takes each a while


def start(line, env, home):
    return process(as_written(line, home), env, cwd=home)
