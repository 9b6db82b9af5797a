"""The cache's table (docs/adr/0007): a write is one statement, and what has run out is taken out.

Django's own counts every row of the table before each write, to throw away a third of them,
whichever, once there are too many. What is kept here are limits of rates and codes used up: a row
lost is a guess more for somebody.
"""

import base64
import pickle
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import connection
from django.utils import timezone

AT_ONCE = 10_000

_KEEP = """
INSERT INTO {table} AS kept (cache_key, value, expires) VALUES (%s, %s, %s)
ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires = excluded.expires
WHERE %s OR kept.expires < %s
"""

_FORGET = """
DELETE FROM {table} WHERE cache_key IN (
    SELECT cache_key FROM {table} WHERE expires < now()
    ORDER BY expires LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


class Table(DatabaseCache):
    """Django's, of which nothing in force is ever thrown away for want of room."""

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        self._keep(self.make_and_validate_key(key, version), value, timeout, anyway=True)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Whether it was: what is in force is left alone."""
        return self._keep(self.make_and_validate_key(key, version), value, timeout, anyway=False)

    def _cull(self, *_told: Any) -> None:
        """Nor by any write that is still Django's."""

    def _keep(self, key: str, value: Any, timeout: float | None, *, anyway: bool) -> bool:
        until = self.get_backend_timeout(timeout)
        end = datetime.max.replace(tzinfo=UTC)
        expires = end if until is None else datetime.fromtimestamp(until, tz=UTC)
        text = base64.b64encode(pickle.dumps(value, self.pickle_protocol)).decode()
        with connection.cursor() as cursor:
            cursor.execute(
                _KEEP.format(table=_table()), [key, text, expires, anyway, timezone.now()]
            )
            return cursor.rowcount == 1


def _table() -> str:
    return connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))


def forget_expired(*, most: int = AT_ONCE) -> int:
    """Delete up to `most` expired rows, the oldest first, and return how many.

    In one short statement that waits for nobody: a row being written is left for the next run.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FORGET.format(table=_table()), [most])
        return cursor.rowcount
