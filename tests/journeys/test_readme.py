"""The README's commands that set an installation up, run as they are written. `make run` is in
tests/faults/test_run.py; `make test` runs this.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from importlib import metadata
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from accounts.models import User
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


HELPED = ["help", "run", "reset", "test", "check", "bench", "bench-stack", "lock"]


def test_make_help_lists_the_other_targets():
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    targets = [line.split()[1] for line in done.stdout.splitlines()]
    assert targets == HELPED


# --- The locks --------------------------------------------------------------------------------


def pins(lock, python=None):
    """{name: (version, hashes)} of what this lock installs on this machine, or on one like it with
    another Python.
    """
    text = (settings.BASE_DIR / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            what, *hashes = line.split("--hash=")
            wanted = Requirement(what)
            if wanted.marker is None or wanted.marker.evaluate(environment(python)):
                [pin] = wanted.specifier
                hashes = frozenset(each.strip() for each in hashes)
                found[canonicalize_name(wanted.name)] = pin.version, hashes
    return found


def environment(python):
    if python is None:
        return {}
    return {"python_full_version": python, "python_version": python.rpartition(".")[0]}


def declared(*extras):
    """What pyproject.toml asks for by itself, and with these extras."""
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [line for extra in extras for line in optional[extra]]


def brought_by(lines):
    """Names of everything these requirements bring, by what each installed package says."""
    found, seen, todo = set(), set(), [Requirement(line) for line in lines]
    while todo:
        wanted = todo.pop()
        extras = {"", *wanted.extras}
        name = canonicalize_name(wanted.name)
        if (name, *sorted(extras)) in seen or not applies(wanted, {""}):
            continue
        seen.add((name, *sorted(extras)))
        found.add(name)
        needs = map(Requirement, metadata.requires(name) or [])
        for need in needs:
            if applies(need, extras):
                need.marker = None
                todo.append(need)
    return found


def applies(wanted, extras, python=None):
    return wanted.marker is None or any(
        wanted.marker.evaluate({"extra": extra} | environment(python)) for extra in extras
    )


EXTRAS = ("embedded", "demo", "test", "lint")


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", EXTRAS)]
)
def test_a_lock_holds_what_is_asked_for_and_nothing_else(lock, extras):
    """Extras in production, a package nobody asks for any longer, one forgotten: all show here."""
    held, asked = pins(lock), declared(*extras)
    assert set(held) == brought_by(asked)
    for line in asked:
        wanted = Requirement(line)
        if applies(wanted, {""}):
            assert wanted.specifier.contains(held[canonicalize_name(wanted.name)][0]), line


LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_and_every_pin_has_a_hash(lock):
    text = (settings.BASE_DIR / lock).read_text()
    # Where packages come from is for whoever installs: no address, no option that gives one.
    assert not re.search(r"://|@ |^\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", text, re.MULTILINE)
    entries = re.findall(r"^\S.*(?:\n +--.*)*", text, re.MULTILINE)
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert len(pinned) > 40
    assert [entry for entry in pinned if "==" not in entry.partition(";")[0]] == []
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("python", ["3.11.2", "3.11.9", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_serves_every_python(lock, python):
    held = pins(lock, python)
    assert ("async-timeout" in held) is (python == "3.11.2")
    for name in {*pins(lock)} & {*held}:
        needs = map(Requirement, metadata.requires(name) or [])
        wanted = [need for need in needs if applies(need, {""}, python)]
        assert {canonicalize_name(need.name) for need in wanted} <= {*held}, name


def test_production_installs_what_the_tests_ran_on():
    """With these very hashes, which pip compared when it made the environment of this test."""
    production, tried = pins("requirements.lock"), pins("requirements-dev.lock")
    assert production == {name: tried[name] for name in production}
    assert {name: metadata.version(name) for name in production} == {
        name: version for name, (version, _hashes) in production.items()
    }


# --- An installation --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A copy of the tree, with an environment that holds what the production lock names and no
    more. What pip would bring is linked from here, so that nothing is fetched twice.
    """
    home = tmp_path_factory.mktemp("installation")
    for name in TREE:
        source = settings.BASE_DIR / name
        if source.is_dir():
            shutil.copytree(source, home / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, home / name)
    make, install = commands()[2:4]
    assert make == "python3 -m venv .venv"
    subprocess.run([sys.executable, *make.split()[1:]], cwd=home, check=True)
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


@pytest.mark.django_db(transaction=True)
def test_an_installation_serves_and_works(home, production, tmp_path):
    collect, web, worker, mails, hooks, beat = commands()[6:12]
    run(collect, production, home)
    address = f"http://127.0.0.1:{production['GRANIAN_PORT']}"
    with (
        start(web, production, home) as serving,
        start(worker, production, home),
        start(mails, production, home),
        start(hooks, production, home),
        start(beat, production, home) as ringing,
    ):
        wait_for(f"{address}/healthz", serving)
        page = fetch(f"{address}/accounts/login/")
        style = re.search(r'href="(/static/portal/base\.[0-9a-f]{12}\.css)"', page)[1]
        assert "{" in fetch(f"{address}{style}")
        until(lambda: len(current_app.control.ping(timeout=1, limit=3)) == 3)
        until(lambda: list(tmp_path.glob("celerybeat-schedule*")))
        assert ringing.poll() is None


def start(line, env, home):
    return process(as_written(line, home), env, cwd=home)
