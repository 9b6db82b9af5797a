"""Everything the portal keeps or passes on, laid open for a search.

What is stored encoded is searched decoded as well: messages in the broker and rows of the cache
hold base64, PostgreSQL shows bytes as hexadecimal digits, sessions are packed.
"""

import base64
import binascii
import os
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import redis
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from portal.redaction import KEY

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,}")
_DEPTH = 3


def finds(needle, haystack):
    """Whether this text stands anywhere in the bytes, as it is or encoded up to three times."""
    return any(needle.encode() in layer for layer in layers(haystack))


def finds_a_key(haystack):
    """The first thing that looks like a whole key of ours, or None."""
    for layer in layers(haystack):
        for found in KEY.finditer(layer.decode(errors="replace")):
            if len(found[0]) > len("tpk_live_") + 16 + 1:  # longer than the public part
                return found[0]
    return None


NO_TRACE = (False, False, None)


def traces(token, held):
    """(the key, its secret part alone, anything like a key): what is found of them."""
    secret = token.rpartition("_")[2][:43]
    return finds(token, held), finds(secret, held), finds_a_key(held)


def layers(haystack, depth=_DEPTH):
    yield haystack
    if depth:
        for run in _HEX.findall(haystack):
            yield from layers(bytes.fromhex(run.decode()), depth - 1)
        for run in _BASE64.findall(haystack):
            for offset in range(4):  # what stands before may belong to the same alphabet
                yield from layers(_decoded(run[offset:]), 0 if len(run) > 4000 else depth - 1)


def _decoded(run):
    run = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(run[: len(run) // 4 * 4])
    except binascii.Error:
        return b""


def database():
    """Every row of every table as text, and every session unpacked."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            quoted = connection.ops.quote_name(table)
            cursor.execute(f"SELECT whole::text FROM {quoted} AS whole")
            parts += [f"{table}: {row}" for (row,) in cursor.fetchall()]
        cursor.execute("SELECT session_data FROM django_session")
        parts += [str(SessionStore().decode(data)) for (data,) in cursor.fetchall()]
    return "\n".join(parts).encode()


def broker():
    """Every key of this test's Redis database with all it holds."""
    parts = []
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(count=1000):
            read = {
                b"string": client.get,
                b"list": lambda k: client.lrange(k, 0, -1),
                b"hash": client.hgetall,
                b"set": client.smembers,
                b"zset": lambda k: client.zrange(k, 0, -1, withscores=True),
            }[client.type(key)]
            parts.append(repr((key, read(key))))
    return "\n".join(parts).encode()


@contextmanager
def everything_the_broker_is_told():
    """A list that fills with each command sent to this test's Redis database, by whoever it is.

    The server tells of all its databases, and in the others tests beside this one plant keys.
    """
    told, stop = [], threading.Event()
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.monitor() as monitor:
        ours = client.get_connection_kwargs().get("db", 0)

        def listen():
            for line in monitor.listen():
                if line["db"] == ours:
                    told.append(line["command"].encode())
                if stop.is_set():
                    return

        listener = threading.Thread(target=listen)
        listener.start()
        yield told
        stop.set()
        with redis.Redis.from_url(settings.REDIS_URL) as last:
            last.ping()  # so that the listener wakes up
        listener.join()


def files():
    """Mails and whatever else was written to disk, and the engines' own logs."""
    found = [path for path in settings.DATA_DIR.rglob("*") if path.is_file()]
    engines = Path(os.environ["TESTS_SHARED"])
    found += list(engines.glob("*.log"))
    return b"\n".join(path.read_bytes() for path in found)
