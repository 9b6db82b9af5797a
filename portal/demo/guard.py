"""Known passwords and production never meet.

What tells a demo's database is an event that loading it writes and nothing takes back. Addresses
would not do: anybody can sign up with one, and could so keep production from starting.
"""

from django.conf import settings
from django.db import connection, transaction

from accounts.models import User
from portal.audit.selectors import has_begun, has_happened
from portal.audit.services import Actor, record_event

_LOADED = "demo.loaded"


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
    """Stop before anything is written to a database that holds anything of its own.

    Known passwords would be let into it, and the mark of a demo cannot be taken back: no production
    would ever start on it again. It may be of an earlier version, or without any table.
    """
    tables = set(connection.introspection.table_names())
    if not {"accounts_user", "audit_event"} <= tables or is_demo():
        return
    if not (User.objects.exists() or has_begun()):
        return
    raise DemoRefusedError(
        "This database holds a portal of its own: nothing was changed. The demo, with its known "
        "passwords, goes into an empty database only: name another in DATABASE_URL."
    )


@transaction.atomic
def mark_as_demo(*, release_ref: str, by: Actor) -> None:
    """Say in the log, where it stays, that this database holds known passwords."""
    record_event(_LOADED, subject=release_ref, thread=release_ref, by=by)


def is_demo() -> bool:
    return has_happened(_LOADED)


def refuse_demo_accounts() -> None:
    """Stop a production start-up on a database that holds the demo's accounts.

    A database that cannot be asked stops it too: starting blind would be failing open.
    """
    if not settings.DEMO and is_demo():
        raise DemoRefusedError(
            "This database holds the demo's accounts, with known passwords. Use another database; "
            "a demo is never turned into production."
        )
