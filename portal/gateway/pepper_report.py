"""How far a change of peppers is: what is still hashed under which version."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import OperationalError

from portal import peppers
from portal.credentials.selectors import keys_by_pepper
from portal.gateway.selectors import gateways_by_pepper

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """One version of the pepper, configured or merely referred to."""

    number: int
    keys: int  # that work, or would if the pepper were there
    last_expires: datetime | None
    gateways: int

    @property
    def is_current(self) -> bool:
        return self.number == peppers.current()

    @property
    def is_announced(self) -> bool:
        """Known to this process, and next to hash."""
        return self.is_configured and self.number > peppers.current()

    @property
    def is_configured(self) -> bool:
        return self.number in settings.CREDENTIAL_PEPPERS

    @property
    def is_used(self) -> bool:
        return bool(self.keys or self.gateways)

    @property
    def is_missing(self) -> bool:
        """Something is refused for want of it."""
        return self.is_used and not self.is_configured

    @property
    def words(self) -> str:
        """For instance: version 1: 3 live keys, last expires 2 Dec 2026; 1 gateway."""
        keys = f"{self.keys:,} live key{'' if self.keys == 1 else 's'}"
        if self.last_expires:
            keys += f", last expires {self.last_expires:%-d %b %Y}"
        return f"version {self.number}: {keys}; {self.gateways:,} gateway" + (
            "" if self.gateways == 1 else "s"
        )


def versions() -> list[Version]:
    """All that are configured or referred to, oldest first."""
    keys, gateways = keys_by_pepper(), gateways_by_pepper()
    return [
        Version(
            number,
            keys=keys[number][0] if number in keys else 0,
            last_expires=keys[number][1] if number in keys else None,
            gateways=gateways.get(number, 0),
        )
        for number in sorted({*settings.CREDENTIAL_PEPPERS, *keys, *gateways})
    ]


def warn_of_missing_peppers() -> None:
    """Say in the log, at start-up, that keys are refused because their pepper is not configured.

    Not a reason to stop: the other keys work. Nor is a database that cannot be asked at this
    moment: a web server whose worker ends while it starts ends as a whole.
    """
    try:
        found = versions()
    except OperationalError as error:
        log.warning("peppers not looked at: %s", type(error).__name__)
        return
    for version in found:
        if version.is_missing:
            log.error(
                "CREDENTIAL_PEPPERS lacks a version in use, so these are refused: %s", version.words
            )
