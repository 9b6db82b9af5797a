"""Known passwords and production never meet."""

from django.conf import settings

from accounts.models import User
from portal.demo.texts import DOMAIN


class DemoRefusedError(SystemExit):
    """Ends start-up, with a sentence on the terminal."""


def refuse_unless_demo() -> None:
    """Stop `manage.py demo` wherever DEMO is not set."""
    if not settings.DEMO:
        raise DemoRefusedError(
            "This is not a demo: nothing was changed. The demo programme has accounts with known "
            "passwords; set DEMO=1 on a machine of your own to load it."
        )


def refuse_demo_accounts() -> None:
    """Stop a production start-up on a database that holds the demo's accounts.

    A database that cannot be asked stops it too: starting blind would be failing open.
    """
    if not settings.DEMO and User.objects.filter(email__endswith=f"@{DOMAIN}").exists():
        raise DemoRefusedError(
            f"This database holds demo accounts (…@{DOMAIN}) with known passwords. Use another "
            "database; a demo is never turned into production."
        )
