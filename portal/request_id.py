"""The id a person can quote and a log can be searched for. It goes with what a request sets off:
into events, and with the ring to the worker. Empty outside of both.
"""

import re
import uuid
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
FROM_A_SHELL = "shell-"  # what the id of a command on a server begins with

_PLAUSIBLE = re.compile(r"[0-9A-Za-z-]{8,36}")


def believed(given: object) -> str:
    """Return the id that came with a request or a ring if it looks like one, else a new one."""
    plausible = isinstance(given, str) and _PLAUSIBLE.fullmatch(given)
    return str(given) if plausible else str(uuid.uuid4())
