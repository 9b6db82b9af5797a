"""The cache's table (docs/adr/0007): what has run out is taken out. Django by itself does so only
for what somebody asks for again, or once MAX_ENTRIES is reached.
"""

from django.conf import settings
from django.db import connection

AT_ONCE = 10_000

_FORGET = """
DELETE FROM {table} WHERE cache_key IN (
    SELECT cache_key FROM {table} WHERE expires < now()
    ORDER BY expires LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


def forget_expired(*, most: int = AT_ONCE) -> int:
    """Delete up to `most` expired rows, the oldest first, and return how many.

    In one short statement that waits for nobody: a row being written is left for the next run.
    """
    table = connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))
    with connection.cursor() as cursor:
        cursor.execute(_FORGET.format(table=table), [most])
        return cursor.rowcount
