"""What the folder of a `make run` has of the demo: two files, made anew when they are not there.

The database tells whether the demo is loaded. The files are this folder's only: another folder may
have come to the same database, this one to another database, or `make reset` may have emptied it.
"""

import base64
import itertools
from pathlib import Path

from django.conf import settings

from accounts.enums import StaffRole
from accounts.models import User
from portal.demo import guard, texts
from portal.demo.people import address_of
from portal.embedded import private, write_private
from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from portal.gateway.policies import can_register_gateway
from portal.gateway.services import register_gateway
from portal.programs.models import ModelRelease

WELCOME = """\
  Sign in with any of these; the password is {password}

    {people}

  Or sign up with any address: mails are read at /demo/mail/
"""


def complete_folder(known: tuple[str, str] | None) -> bool:
    """Write what is missing or of no use here; whether the sandbox got new credentials.

    `known`: id and secret of the sandbox's gateway, when the demo was loaded just now.
    Only what is committed may be called: a file must never tell of what was rolled back.
    """
    folder = private(Path(settings.DATA_DIR) / "demo")
    new = known is not None or not _is_known(folder / "gateway.env")
    if new:
        client_id, secret = known or _register_sandbox()
        text = f"SANDBOX_GATEWAY_ID={client_id}\nSANDBOX_GATEWAY_SECRET={secret}\n"
        write_private(folder / "gateway.env", text)
    write_private(folder / "welcome.txt", _welcome())
    return new


def _is_known(file: Path) -> bool:
    """Whether this database knows the gateway of the file. One that somebody has disabled stays
    so: that was meant.
    """
    if not file.exists():
        return False
    said = dict(line.partition("=")[::2] for line in file.read_text().splitlines())
    client_id, secret = said.get("SANDBOX_GATEWAY_ID", ""), said.get("SANDBOX_GATEWAY_SECRET", "")
    if Gateway.objects.filter(client_id=client_id).exclude(disabled_at=None).exists():
        return True
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return authenticate(f"Basic {credentials}") is not None


def _register_sandbox() -> tuple[str, str]:
    """A gateway of this folder's own: an earlier one may be in use from another folder."""
    release = ModelRelease.objects.get(ref=guard.release_ref())
    gateway, secret = register_gateway(
        release_id=release.pk, name=_free_name(), by=_registrar(), sandbox=True
    )
    return gateway.client_id, secret


def _free_name() -> str:
    taken = set(Gateway.objects.values_list("name", flat=True))
    names = itertools.chain(["Sandbox"], (f"Sandbox {n}" for n in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _registrar() -> User:
    """A programme manager of the demo, which may have gone another way since it was loaded."""
    for person in User.objects.filter(groups__name=StaffRole.PROGRAMME_MANAGER).order_by("pk"):
        if can_register_gateway(person):
            return person
    raise guard.DemoRefusedError(
        "This demo has no programme manager any more, and without one the sandbox cannot be "
        "registered. Make one (manage.py make_staff), or start on an empty database."
    )


def _welcome() -> str:
    people = {address_of(name): what for name, what in texts.SIGN_INS.items()}
    people |= {
        f"{mailbox}@{texts.DOMAIN}": f"{called.replace('_', ' ')}, at /admin/"
        for called, (mailbox, _name) in texts.STAFF.items()
    }
    lines = [f"{address:34}{what}" for address, what in people.items()]
    return WELCOME.format(password=texts.PASSWORD, people="\n    ".join(lines))
