"""The whole demo in order, and the two files `make run` reads afterwards."""

import os
from pathlib import Path

from django.conf import settings

from portal.demo import texts
from portal.demo.clock import Calendar
from portal.demo.guard import mark_as_demo
from portal.demo.people import (
    SHELL,
    address_of,
    make_applicants,
    make_organizations,
    make_staff,
    show_webhooks,
    verify_organizations,
)
from portal.demo.programme import make_programme
from portal.demo.story import Cast, play
from portal.gateway.services import register_gateway

WELCOME = """\
  Sign in with any of these; the password is {password}

    {people}

  Or sign up with any address: mails are read at /demo/mail/
"""


def load_demo() -> None:
    """Make everything through the services; the files last, as they say that all is there."""
    calendar = Calendar()
    staff = make_staff(calendar=calendar)
    release = make_programme(calendar=calendar, by=staff["programme_manager"])
    mark_as_demo(release_ref=release.ref, by=SHELL)
    people = make_applicants(calendar=calendar)
    partners = make_organizations(people, calendar=calendar)
    verify_organizations(partners, calendar=calendar, by=staff["reviewer"])
    show_webhooks(partners[0], calendar=calendar)
    gateway, secret = register_gateway(
        release_id=release.pk, name="Sandbox", by=staff["programme_manager"], sandbox=True
    )
    play(Cast(staff=staff, calendar=calendar, release=release, waiting=list(people)))
    _write(
        "gateway.env",
        f"SANDBOX_GATEWAY_ID={gateway.client_id}\nSANDBOX_GATEWAY_SECRET={secret}\n",
    )
    _write("welcome.txt", _welcome())


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
    path = Path(settings.DATA_DIR) / "demo" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
