"""Rows that another session holds, so that a worker stands still at a place one chose."""

import threading
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def held(*locks):
    """Call each of `locks` in a transaction of another session, open until the block ends."""
    locked, release = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                for lock in locks:
                    lock()
                locked.set()
                release.wait(timeout=60)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(timeout=60)
    try:
        yield
    finally:
        release.set()
        holder.join()


def somebody_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0
