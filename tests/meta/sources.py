"""The product's own Python files, read rather than run."""

import ast
from functools import cache
from pathlib import Path

from django.conf import settings

BASE = Path(settings.BASE_DIR)


def sources():
    """Every file of the product but migrations, as (path from the top, text)."""
    for top in ("accounts", "portal"):
        for path in sorted((BASE / top).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(BASE)), path.read_text()


@cache
def trees():
    """The same files, parsed, once for all who look."""
    return [(name, ast.parse(text)) for name, text in sources()]


def imported(tree):
    """Dotted names a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
