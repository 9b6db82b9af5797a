"""A confirmed case stays so: what ends keys for good is measured on a copy of the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.test import override_settings

_SPARE, _COPY = "bench_spare", "bench_copy"


def make_spare() -> None:
    """Keep the database as it is now. Nobody else may be connected to it."""
    name = connection.settings_dict["NAME"]
    connection.close()
    _order(f"CREATE DATABASE {_SPARE} TEMPLATE {name}")
    unhurried()


@contextmanager
def copied() -> Iterator[None]:
    """Work in a copy of the spare one until the block ends; nobody is rung there."""
    name = connection.settings_dict["NAME"]
    _order(f"CREATE DATABASE {_COPY} TEMPLATE {_SPARE}")
    _go_to(_COPY)
    try:
        with override_settings(DOORBELL=False):
            yield
    finally:
        _go_to(name)
        _order(f"DROP DATABASE {_COPY} WITH (FORCE)")


def unhurried() -> None:
    """Of this connection: nobody waits for a page."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")


def _go_to(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name
    unhurried()


def _order(statement: str) -> None:
    """From another database: none of them may be given within the one it is about."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)
