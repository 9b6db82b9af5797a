"""What the lock files hold, and that every Python this is for is served by them."""

import re
import tomllib
from importlib import metadata

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


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
GATEWAYS = ".ci/gateways.lock"


@pytest.mark.parametrize(("lock", "least"), [*((lock, 41) for lock in LOCKS), (GATEWAYS, 3)])
def test_a_lock_names_no_place_and_every_pin_has_a_hash(lock, least):
    text = (settings.BASE_DIR / lock).read_text()
    # Where packages come from is for whoever installs: no address, no option that gives one.
    assert not re.search(r"://|@ |^\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", text, re.MULTILINE)
    entries = re.findall(r"^\S.*(?:\n +--.*)*", text, re.MULTILINE)
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert len(pinned) >= least
    assert [entry for entry in pinned if "==" not in entry.partition(";")[0]] == []
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []


def test_the_gateways_are_locked_apart_from_everything_else():
    """Programs of hundreds of megabytes: CI's, never a developer's environment's."""
    groups = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["dependency-groups"]
    asked, held = [Requirement(line) for line in groups["gateways"]], pins(GATEWAYS)
    assert {each.name for each in asked} == {*held}
    assert all(each.specifier.contains(held[each.name][0]) for each in asked)
    assert not {*held} & {name for lock in LOCKS for name in pins(lock)}


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
