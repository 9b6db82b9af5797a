"""How a record becomes a line: JSON for machines, words for people. LOG_FORMAT chooses.

Each tells the request it is about, and in a worker the task. Of what a library adds to its records
nothing is written: Django adds the whole request, with what stood behind the question mark.
"""

import logging
import re
from typing import Any

from celery import current_task
from pythonjsonlogger.json import JsonFormatter

from portal.redaction import redact
from portal.request_id import request_id

# What a record may be given with `extra=`; public names and codes, never a secret.
FIELDS = (
    *("door", "code", "kid", "user"),
    *("method", "route", "path", "status", "duration_ms"),
    *("task", "task_id", "outcome"),
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class JsonLine(JsonFormatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, message, what is known of
    `request_id` and FIELDS, and `exception` with the traceback.
    """

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            timestamp="time",
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        known = _context() | log_data
        order = ("time", "level", "logger", "message", "request_id", *FIELDS, "exception")
        return {name: known[name] for name in order if known.get(name) not in (None, "")}

    def format(self, record: logging.LogRecord) -> str:
        """Redacted once finished: the traceback is made anew here, and fields pass no filter."""
        return redact(super().format(record))


class Line(logging.Formatter):
    """One line of words a record; those of a traceback follow, moved in.

    Whatever is told in it, no record can look like two.
    """

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name} {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = super().format(record).split("\n")
        about = request_id.get()
        told = f"{first} [{about}]" if about else first
        return "\n    ".join(map(_visible, (told, *rest)))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return _visible(super().formatMessage(record))


def _context() -> dict[str, str]:
    """What is at hand in this thread, beside what the record itself tells."""
    found = {"request_id": request_id.get()}
    if current_task:
        found |= {"task": current_task.name, "task_id": current_task.request.id or ""}
    return found


def _visible(text: str) -> str:
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class NotToldTwice(logging.Filter):
    """Of what went wrong in a request Django tells with a traceback; that it did so, and with which
    status, tells the line of the request itself (portal.middleware.AccessMiddleware).
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)
