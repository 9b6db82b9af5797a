"""A re-issue, as its page and file show it, put together from stored rows; nothing is decided."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet

from portal.credentials.case_items import plain_cell
from portal.credentials.case_letter import mails_before_reissue
from portal.credentials.case_mails import mails_about
from portal.credentials.case_report import Bars, bars_of
from portal.credentials.enums import ReissueItemStatus as I
from portal.credentials.enums import ReissueStatus as R
from portal.credentials.models import COUNTED, Reissue, ReissueItem
from portal.credentials.reissuable import words_of_choice

_UNDECIDED = (R.PREVIEWED, R.AWAITING_SECOND)
_MADE = (I.MADE, I.TOLD, I.FAILED)


def overview(reissue: Reissue) -> dict[str, Any]:
    """The head of the page, in big plain numbers, and who gets none and why."""
    chosen = reissue.items.filter(status__in=[*COUNTED, I.DROPPED])
    mails = mails_about(chosen.order_by())
    undecided = reissue.status in _UNDECIDED
    return {
        "heading": _heading(reissue),
        "numbers": _numbers(reissue),
        "for_whom": words_of_choice(reissue),
        "by_organization": bars_of(
            chosen.order_by(), "credential__grant__organization__name", "Individuals"
        ),
        "reasons": _reasons(reissue),
        "left_out": reissue.items.filter(status=I.LEFT_OUT).select_related("credential", "grant"),
        "mails": sum(mails.values()),
        "post": mails_before_reissue(chosen.order_by(), mails) if undecided else None,
    }


def _heading(reissue: Reissue) -> str:
    keys = "1 new key" if reissue.count == 1 else f"{reissue.count:,} new keys"
    return {
        R.PREVIEWED: f"Re-issue {keys}?",
        R.AWAITING_SECOND: f"Re-issue {keys}? One has confirmed, one more is needed",
        R.RUNNING: "Slots are being made, and mails queued",
        R.COMPLETED: "Re-issued, and every mail queued",
        R.CANCELLED: "Put away: nothing was re-issued",
        R.EXPIRED: "Ran out: nothing was re-issued",
    }[R(reissue.status)]


def _numbers(reissue: Reissue) -> Bars:
    of = {
        "refused": Count("pk", filter=Q(status=I.REFUSED)),
        "left_out": Count("pk", filter=Q(status=I.LEFT_OUT)),
        "made": Count("pk", filter=Q(status__in=_MADE)),
        "claimed": Count("pk", filter=Q(slot__claimed_at__isnull=False)),
    }
    found = reissue.items.aggregate(**of)
    none: Bars = [("cannot get one", found["refused"]), ("left out", found["left_out"])]
    if reissue.confirmed_at:
        return [("slots made", found["made"]), ("claimed", found["claimed"]), *none]
    return [("get a new slot", reissue.count), *none]


def _reasons(reissue: Reissue) -> Bars:
    rows = reissue.items.filter(status=I.REFUSED).order_by().values_list("why")
    return list(rows.annotate(n=Count("pk")).order_by("-n", "why"))


def headway(reissue: Reissue) -> dict[str, Any]:
    """How far the workers are; the part of the page that is asked for again."""
    of = {
        "left": Count("pk", filter=Q(status=I.CHOSEN)),
        "told": Count("pk", filter=Q(status=I.TOLD)),
        "all": Count("pk", filter=Q(status__in=COUNTED)),
    }
    found = reissue.items.aggregate(**of)
    return {
        "made": found["all"] - found["left"],
        **found,
        "under_way": reissue.status == R.RUNNING,
        "failing": failing(reissue)[:50],
    }


def failing(reissue: Reissue) -> QuerySet[ReissueItem]:
    """Slots whose partner could not be told yet, the most tried first."""
    rows = reissue.items.filter(status=I.FAILED).order_by("-attempts", "pk")
    return rows.select_related("grant__holder", "grant__organization")


def items_of(reissue: Reissue) -> QuerySet[ReissueItem]:
    """Every grant of it, with what a list of them shows."""
    return reissue.items.select_related(
        "credential", "slot", "grant__holder", "grant__organization", "grant__phase__release"
    ).order_by("pk")


COLUMNS = {
    "grant": "grant__ref",
    "holder": "grant__holder__ref",
    "holder_email": "grant__holder__email",
    "organization": "grant__organization__name",
    "dead_kid": "credential__kid",
    "new_kid": "slot__kid",
    "new_key_status": "slot__status",
    "outcome": "status",
    "code": "code",
    "why": "why",
}


def export(reissue: Reissue) -> Iterator[list[Any]]:
    """As rows for a file, the names of the columns first; read as it is written."""
    yield list(COLUMNS)
    rows = reissue.items.order_by("pk").values_list(*COLUMNS.values())
    for row in rows.iterator(chunk_size=2000):
        yield [plain_cell(value) for value in row]
