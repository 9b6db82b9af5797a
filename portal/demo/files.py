"""The two files that `make run` reads: who can sign in, and the secret of the sandbox's gateway.

They are written once the demo has committed, and written anew when they are missing: a secret is
known to nobody then, so the gateway gets another.
"""

import os
from pathlib import Path

from django.conf import settings

from portal.demo import texts
from portal.demo.people import address_of
from portal.gateway.models import Gateway
from portal.gateway.services import rotate_gateway_secret

WELCOME = """\
  Sign in with any of these; the password is {password}

    {people}

  Or sign up with any address: mails are read at /demo/mail/
"""


def write(client_id: str, secret: str) -> None:
    """The welcome last: where it is, the other one is."""
    known = f"SANDBOX_GATEWAY_ID={client_id}\nSANDBOX_GATEWAY_SECRET={secret}\n"
    _write("gateway.env", known)
    _write("welcome.txt", _welcome())


def write_anew_if_missing() -> bool:
    """Returns whether they were, which takes its secret from a sandbox that runs elsewhere."""
    if _path("welcome.txt").exists():
        return False
    gateway = Gateway.objects.filter(sandbox=True).earliest("pk")
    secret = rotate_gateway_secret(gateway_id=gateway.pk, by=gateway.registered_by)
    write(gateway.client_id, secret)
    return True


def _welcome() -> str:
    people = {address_of(name): what for name, what in texts.SIGN_INS.items()}
    people |= {
        f"{mailbox}@{texts.DOMAIN}": f"{role.replace('_', ' ')}, at /admin/"
        for role, (mailbox, _name) in texts.STAFF.items()
    }
    lines = [f"{address:34}{what}" for address, what in people.items()]
    return WELCOME.format(password=texts.PASSWORD, people="\n    ".join(lines))


def _write(name: str, text: str) -> None:
    """A file only its owner can read, from its first byte on."""
    path = _path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _path(name: str) -> Path:
    return Path(settings.DATA_DIR) / "demo" / name
