"""The mails a demo sent, as Django's file backend leaves them."""

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings

MOST = 200
_SEPARATOR = b"-" * 79 + b"\n"


@dataclass(frozen=True, slots=True)
class Mail:
    name: str
    to: str
    subject: str
    sent_at: datetime
    body: str


def mails(to: str = "") -> list[Mail]:
    """The newest first, all of them or those to one address."""
    found = [mail for path in _newest_files() for mail in _read(path)]
    found = [mail for mail in found if to.lower() in mail.to.lower()]
    return sorted(found, key=lambda mail: mail.sent_at, reverse=True)


def mail_named(name: str) -> Mail | None:
    return next((mail for mail in mails() if mail.name == name), None)


def _newest_files() -> list[Path]:
    """File names begin with the time, so that the last names are the newest mails."""
    return sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"), reverse=True)[:MOST]


def _read(path: Path) -> list[Mail]:
    parts = [part for part in path.read_bytes().split(_SEPARATOR) if part.strip()]
    return [_mail(f"{path.stem}-{number}", part) for number, part in enumerate(parts)]


def _mail(name: str, raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    return Mail(
        name=name,
        to=message["To"],
        subject=message["Subject"],
        sent_at=parsedate_to_datetime(message["Date"]).replace(tzinfo=UTC),  # Django writes UTC
        body=body.get_content() if body else "",
    )
