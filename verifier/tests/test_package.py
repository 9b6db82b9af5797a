"""The package stands alone: what it imports, what it asks for, what it shows."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import access_verifier

HOME = Path(access_verifier.__file__).parent
FILES = sorted(HOME.glob("*.py"))


def imported():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                yield node.module.partition(".")[0]


def test_it_imports_what_it_asks_for_and_nothing_else():
    others = set(imported()) - sys.stdlib_module_names - {"access_verifier", "_typeshed"}
    assert others == {"joserfc", "cryptography"}
    project = tomllib.loads((HOME.parent / "pyproject.toml").read_text())["project"]
    assert [line.partition(">")[0] for line in project["dependencies"]] == ["joserfc"]


def test_every_file_can_be_imported_without_the_portal():
    """In an interpreter that would not find it, and says so when a module of Django's is there."""
    modules = ["access_verifier", "access_verifier.wsgi", "access_verifier.asgi"]
    script = (
        f"import sys; sys.path.insert(0, {str(HOME.parent)!r}); import {', '.join(modules)};"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'django', 'portal', 'accounts', 'celery'}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_nothing_reads_the_wall_clock():
    """It may be wrong by any amount; `access_verifier.clock` counts what passes."""
    for file in FILES:
        tree = ast.parse(file.read_text())
        assert not {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {
            "time_ns",
            "now",
            "utcnow",
            "today",
            "localtime",
            "gmtime",
        }
        assert "time.time" not in file.read_text()


def test_what_it_offers_is_there():
    assert [name for name in access_verifier.__all__ if not hasattr(access_verifier, name)] == []
