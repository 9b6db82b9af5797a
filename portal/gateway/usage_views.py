"""Where gateways report what was used: a door for machines, as those in views.py."""

import json
import re
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from portal.audit.services import System
from portal.credentials.services import Usage, record_usage
from portal.gateway import answers, asking
from portal.gateway.authentication import authenticate
from portal.gateway.views import CODE, machine, not_a_gateway

LONGEST = 256 * 1024  # bytes
MOST_ENTRIES = 1000
MALFORMED = "malformed"
SHAPE = (
    'Send {"report": "<a UUID>", "entries": [{"grant": "GRT-…", "day": "2026-05-31", '
    f'"requests": 1, "tokens": 20, "refused": 0}}, …]}}, at most {MOST_ENTRIES} entries.'
)
_GRANT = re.compile(r"[0-9A-Z-]{1,16}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Read = tuple[UUID, list[Any]]


@machine("usage")
def report_usage(request: HttpRequest) -> HttpResponse:
    """Count a report, once. 200 says which entries were not counted, and why."""
    if request.method != "POST":
        return answers.wrong_method("POST")
    gateway = authenticate(request.META.get("HTTP_AUTHORIZATION"))
    if gateway is None:
        return not_a_gateway(request)
    if request.content_type != "application/json" or asking.body_length(request) > LONGEST:
        return answers.malformed(f"Send application/json, at most {LONGEST // 1024} kB.")
    read = _read(request.body)
    if read is None:
        return answers.malformed(SHAPE)
    report, entries = read[0], [_entry(each) for each in read[1]]
    said = record_usage(
        report=report,
        entries=[entry for entry in entries if entry],
        audience=gateway.audience,
        by=System(gateway.client_id),
    )
    request.META[CODE] = "allowed"
    if said is None:
        return answers.answer({"report": str(report), "repeated": True, "not_counted": []})
    why = iter(said)
    reasons = [next(why) if entry else MALFORMED for entry in entries]
    not_counted = [
        {"entry": number, "reason": reason} for number, reason in enumerate(reasons) if reason
    ]
    return answers.answer({"report": str(report), "repeated": False, "not_counted": not_counted})


def _read(body: bytes) -> Read | None:
    """The report's id and its entries, not yet looked at; None for another shape."""
    try:
        given = json.loads(body)
        report, entries = UUID(given["report"]), given["entries"]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
    fits = isinstance(entries, list) and len(entries) <= MOST_ENTRIES
    return (report, entries) if fits else None


def _entry(given: Any) -> Usage | None:
    """One entry whose fields are all there and of their kind. Other fields may stand beside."""
    if not isinstance(given, dict):
        return None
    grant: Any = given.get("grant")
    day: Any = given.get("day")
    counts: list[Any] = [given.get(name) for name in Usage.COUNTS]
    if not (_matches(_GRANT, grant) and _matches(_DAY, day)):
        return None
    if not all(type(count) is int for count in counts):  # True is one too
        return None
    try:
        return Usage(grant, date.fromisoformat(day), *counts)
    except ValueError:  # no such day
        return None


def _matches(pattern: re.Pattern[str], given: Any) -> bool:
    return isinstance(given, str) and pattern.fullmatch(given) is not None
