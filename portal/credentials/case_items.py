"""The keys of a case, one by one: for its page and as rows of a file."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from accounts.models import Membership
from portal.credentials.enums import CredentialStatus, ItemStatus
from portal.credentials.models import Revocation, RevocationItem


def items_of(revocation: Revocation) -> QuerySet[RevocationItem]:
    """Every key of the case, with what a list of them shows."""
    items = revocation.items.annotate(quicker=_quicker()).select_related(
        "credential__grant__holder",
        "credential__grant__organization",
        "credential__grant__phase__release",
    )
    return items.order_by("pk")


def _quicker() -> Case:
    """Who had revoked a key of the case already when its turn came: the partner, that is its
    holder, somebody who looks after keys there, or whoever had the key itself; or other staff.
    """
    key = "credential__"
    colleague = Membership.objects.filter(
        organization=OuterRef(f"{key}grant__organization"), user=OuterRef(f"{key}revoked_by")
    )
    partner = (
        Q(credential__revoked_with_key=True)
        | Q(credential__revoked_by=F(f"{key}grant__holder"))
        | Q(credential__revoked_by=F(f"{key}claimed_by"))
        | Exists(colleague)
    )
    before = Q(status=ItemStatus.SKIPPED, credential__status=CredentialStatus.REVOKED)
    return Case(
        When(before & partner, then=Value("partner")),
        When(before, then=Value("staff")),
        default=Value(""),
    )


COLUMNS = {
    "kid": "credential__kid",
    "grant": "credential__grant__ref",
    "holder": "credential__grant__holder__ref",
    "holder_email": "credential__grant__holder__email",
    "organization": "credential__grant__organization__name",
    "release": "credential__grant__phase__release__name",
    "phase": "credential__grant__phase__name",
    "key_status": "credential__status",
    "revoked_at": "credential__revoked_at",
    "outcome": "status",
    "quicker": "quicker",
    "told_at": "done_at",
}


def export(revocation: Revocation) -> Iterator[list[Any]]:
    """The case as rows for a file, the names of the columns first; read as it is written."""
    yield list(COLUMNS)
    items = revocation.items.annotate(quicker=_quicker()).order_by("pk")
    rows = items.values_list(*COLUMNS.values())
    for row in rows.iterator(chunk_size=2000):
        yield [plain_cell(value) for value in row]


def plain_cell(value: Any) -> Any:
    """Times in UTC; text that a spreadsheet would take for a formula made harmless."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
