"""Whether what runs beside the web does its part, in plain words, and what to do if not."""

from datetime import datetime, timedelta

from portal import health, heartbeats
from portal.owed import Owed, seconds_since
from portal.reviews.casefile import in_days

LATE = 60  # seconds a row may be due before somebody should look

NO_BROKER = (
    "The broker does not answer. Keys are checked and revoked all the same, but no new key is "
    "prepared and no mail leaves. Bring Redis back; within 15 seconds all that waits is taken up."
)
NO_WORKER = (
    "No worker is heard of. Keys are checked and revoked all the same, but no new key is prepared "
    "and no partner told. Start one (celery -A portal worker); all that waits is then taken up."
)
NO_MAIL_WORKER = (
    "No worker for mails is heard of, so no mail leaves. Start one (celery -A portal worker "
    "--queues mail); all that waits is then sent."
)
NO_BEAT = (
    "Beat is not heard of: what fails once is not tried again. Start it (celery -A portal beat)."
)
LATE_WORK = (
    "Something has been due for more than a minute, though workers are there. They may be too few, "
    "or the mail server does not answer: their log says which."
)
GIVEN_UP = (
    "Something was given up and waits for you. Look under Grants for “Activation failed” and under "
    "Mails for “Given up”: a button there tries again."
)


def facts_and_advice() -> tuple[list[tuple[str, str]], list[str]]:
    """What is so, as (words, value), and what to do; on a good day there is nothing to do."""
    rows = list(health.owed().values())
    seen, broker = heartbeats.last_seen(), health.broker_is_up()
    oldest = max(row.oldest_seconds for row in rows) if any(row.since for row in rows) else None
    facts = [
        ("Rows and mails still owed", f"{sum(row.waiting for row in rows):,}"),
        ("Oldest has waited", "Nothing waits" if oldest is None else in_seconds(oldest)),
        ("Given up on, for people to look at", f"{sum(row.dead for row in rows):,}"),
        ("A worker last finished something", _ago(seen[heartbeats.WORKER])),
        ("A mail worker last finished something", _ago(seen[heartbeats.MAIL_WORKER])),
        ("Beat last rang and was heard", _ago(seen[heartbeats.BEAT])),
        ("Broker", "Answers" if broker else "Does not answer"),
    ]
    return facts, _advice(rows, seen, broker=broker)


def _advice(rows: list[Owed], seen: dict[str, datetime | None], *, broker: bool) -> list[str]:
    """Of what follows from one cause only the cause is told."""
    missing = {heartbeats.WORKER: NO_WORKER, heartbeats.MAIL_WORKER: NO_MAIL_WORKER}
    silent = [told for name, told in missing.items() if _is_silent(seen[name])]
    advice = []
    if not broker:
        advice.append(NO_BROKER)
    elif silent:
        advice += silent
    elif _is_silent(seen[heartbeats.BEAT]):
        advice.append(NO_BEAT)
    elif any(row.late_seconds > LATE for row in rows):
        advice.append(LATE_WORK)
    if any(row.dead for row in rows):
        advice.append(GIVEN_UP)
    return advice


def _is_silent(seen_at: datetime | None) -> bool:
    return seen_at is None or seconds_since(seen_at) > heartbeats.SILENT_AFTER


def _ago(seen_at: datetime | None) -> str:
    return f"{in_seconds(seconds_since(seen_at))} ago" if seen_at else "Never"


def in_seconds(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 3600 else in_days(timedelta(seconds=seconds))
