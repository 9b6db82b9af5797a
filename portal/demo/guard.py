"""Known passwords and production never meet.

What tells a demo's database is an event that loading it writes and nothing takes back. Addresses
would not do: anybody can sign up with one, and could so keep production from starting.
"""

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model

from accounts.models import Organization, User
from portal.applications.models import Application
from portal.audit.selectors import first_subject, has_begun, has_happened
from portal.audit.services import Actor, record_event
from portal.gateway.models import Gateway
from portal.programs.models import ModelRelease

_LOADED = "demo.loaded"
_LOG = "audit_event"
# What a database has that somebody works with, whatever else is in it.
_OWN: dict[str, type[Model]] = {
    "people": User,
    "organisations": Organization,
    "programmes": ModelRelease,
    "applications": Application,
    "gateways": Gateway,
}


class DemoRefusedError(SystemExit):
    """Ends start-up, with a sentence on the terminal."""


def refuse_unless_demo() -> None:
    """Stop `manage.py demo` wherever DEMO is not set."""
    if not settings.DEMO:
        raise DemoRefusedError(
            "This is not a demo: nothing was changed. The demo programme has accounts with known "
            "passwords; set DEMO=1 on a machine of your own to load it."
        )


def refuse_what_is_not_ours() -> None:
    """Stop before the demo is put into a database that holds anything else.

    What loading leaves in the log stays there, and production would never start on it again. So
    this is asked before anything is written, the tables included.
    """
    held = [] if is_demo() else _held()
    if held:
        raise DemoRefusedError(
            f"This database holds data of its own ({', '.join(held)}): nothing was changed. The "
            "demo has accounts with known passwords and is loaded into an empty database only. "
            "Let DATABASE_URL name an empty one; or leave it unset, and `make run` starts a "
            "server of its own (empty again after `make reset`)."
        )


def let_nobody_in() -> None:
    """Until the transaction ends, nobody signs up here and no second demo is loaded."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {User._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


@transaction.atomic
def mark_as_demo(*, release_ref: str, by: Actor) -> None:
    """Say in the log, where it stays, that this database holds known passwords."""
    record_event(_LOADED, subject=release_ref, thread=release_ref, by=by)


def is_demo() -> bool:
    """Also of a database that has no tables yet."""
    return _LOG in _tables() and has_happened(_LOADED)


def release_ref() -> str:
    """The release that the demo of this database is about."""
    return first_subject(_LOADED)


def refuse_demo_accounts() -> None:
    """Stop a production start-up on a database that holds the demo's accounts.

    A database that cannot be asked stops it too: starting blind would be failing open.
    """
    if not settings.DEMO and has_happened(_LOADED):
        raise DemoRefusedError(
            "This database holds the demo's accounts, with known passwords. Use another database; "
            "a demo is never turned into production."
        )


def _held() -> list[str]:
    tables = _tables()
    held = [
        what
        for what, model in _OWN.items()
        if model._meta.db_table in tables and model._default_manager.exists()
    ]
    if _LOG in tables and has_begun() and not held:
        held.append("a log of what happened")
    migrated = {app for app, _name in MigrationRecorder(connection).applied_migrations()}
    strange = migrated - set(apps.app_configs) if migrated else tables
    return held + (["tables of another program"] if strange else [])


def _tables() -> set[str]:
    return set(connection.introspection.table_names())
