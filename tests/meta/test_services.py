"""The shape of services, and that nothing else writes."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from django.conf import settings

APPS = [
    "accounts",
    "portal.programs",
    "portal.applications",
    "portal.credentials",
    "portal.reviews",
    "portal.gateway",
]
# Transport and log: below the rule of `by`, since they are told who acts or only carry.
WRITERS = {"services", "services.py"}
WRITES = {
    "save",
    "create",
    "get_or_create",
    "update_or_create",
    "bulk_create",
    "bulk_update",
    "delete",
    "update",
}


def _public_functions(module_name):
    module = importlib.import_module(f"{module_name}.services")
    prefix = f"{module_name}.services"
    for name, function in vars(module).items():
        if (
            not name.startswith("_")
            and inspect.isfunction(inspect.unwrap(function))
            and inspect.unwrap(function).__module__.startswith(prefix)
        ):
            yield name, inspect.signature(inspect.unwrap(function))


@pytest.mark.parametrize("app", APPS)
def test_services_take_keywords_and_say_who(app):
    functions = dict(_public_functions(app))
    assert functions, "an app without services?"
    helpers = {"text_sha256", "snapshot_sha256"}
    moves = {"move_application"}  # the row, then keywords
    for name, signature in functions.items():
        if name in helpers:
            continue
        kinds = [parameter.kind for parameter in signature.parameters.values()]
        allowed = kinds[1:] if name in moves else kinds
        assert set(allowed) == {inspect.Parameter.KEYWORD_ONLY}, f"{app}: {name}"
        assert "by" in signature.parameters, f"{app}: {name}"


def _sources():
    for top in ("portal", "accounts"):
        for path in Path(settings.BASE_DIR, top).rglob("*.py"):
            parts = set(path.parts)
            if not parts & {"migrations", "services", "services.py"}:
                yield path


def _orm_writes(tree):
    """Calls such as x.objects.create(...), queryset.update(...), row.save()."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        target = ast.unparse(node.func.value)
        if node.func.attr in WRITES and (
            "objects" in target or node.func.attr in {"save", "bulk_create", "get_or_create"}
        ):
            yield ast.unparse(node.func)


def test_only_services_write():
    found = {
        str(path.relative_to(settings.BASE_DIR)): writes
        for path in _sources()
        if (writes := list(_orm_writes(ast.parse(path.read_text()))))
    }
    assert found == {
        # Managers are how Django itself makes users, and a user writes only what was changed.
        "accounts/models.py": ["user.save", "super().save"],
        # A form's own rows, not yet saved: the service saves them.
        "portal/programs/admin.py": ["formset.save"],
    }


def test_the_search_for_writes_finds_them():
    tree = ast.parse("Thing.objects.filter(a=1).update(b=2)\nthing.save()\nhash.update(b'')")
    assert list(_orm_writes(tree)) == ["Thing.objects.filter(a=1).update", "thing.save"]
