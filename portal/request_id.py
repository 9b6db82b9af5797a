"""The id a person can quote and a log can be searched for. It goes with what a request sets off:
into events, and with the ring to the worker. Empty outside of both.
"""

import getpass
import re
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
FROM_A_SHELL = "shell-"  # what the id of a command on a server begins with

_PLAUSIBLE = re.compile(r"[0-9A-Za-z-]{8,36}")


def believed(given: object) -> str:
    """Return the id that came with a request or a ring if it looks like one, else a new one."""
    plausible = isinstance(given, str) and _PLAUSIBLE.fullmatch(given)
    return str(given) if plausible else str(uuid.uuid4())


@contextmanager
def under(name: str) -> Iterator[None]:
    """What is done within, and told of, has this id."""
    token = request_id.set(name)
    try:
        yield
    finally:
        request_id.reset(token)


@contextmanager
def in_a_shell() -> Iterator[None]:
    """What is done within has an id that says so: a command, and whose among the system's users."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    name = re.sub("[^0-9A-Za-z]", "", user)[:16]
    with under(f"{FROM_A_SHELL}{name}-{secrets.token_hex(4)}"):
        yield
