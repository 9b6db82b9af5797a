"""What partners and staff write to each other about a case.

Nothing gets lost when two write at once: every act of staff says which message was the newest on
their page, and what came after it is unread, whatever they do.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import record_event
from portal.credentials import case_threads, notices
from portal.credentials.models import CaseMessage, CaseThread, Revocation
from portal.credentials.selectors import responders_of
from portal.errors import Conflict, Invalid
from portal.redaction import redact

MOST_CHARACTERS = 5000
_NEVER_BEFORE = timedelta(microseconds=1)  # between two messages of a thread


@transaction.atomic
def write_about_case(*, revocation_id: int, body: str, by: User) -> CaseMessage:
    """Somebody whose keys the case stopped writes to us; staff are told by mail.

    Raises NotAllowed for anybody else, and Invalid for nothing or too much. Keys are cut out.
    """
    case = Revocation.objects.get(pk=revocation_id)
    case_threads.can_write_about(by, case).enforce()
    body = _clean(body)
    thread, _new = CaseThread.objects.get_or_create(revocation=case, person=by)
    thread = _lock(thread.pk)
    message = _add(thread, body, by=by, from_staff=False)
    _record("revocation.answer_received", thread, message, by=by)
    notices.case_answered(by, to=responders_of(case), case=case.ref)
    return message


@transaction.atomic
def reply_about_case(*, thread_id: int, seen: str, body: str, by: User) -> CaseMessage:
    """Staff answer, and so deal with all up to `seen`, the reference of the newest message on their
    page. Raises Conflict `written_meanwhile` when there is a newer one by now.
    """
    case_threads.can_answer(by).enforce()
    body = _clean(body)
    thread = _lock(thread_id)
    last = _seen(thread, seen)
    if thread.messages.filter(sent_at__gt=last.sent_at).exists():
        raise Conflict(
            "written_meanwhile",
            "There is a newer message than those you were looking at. It is shown now, and what you"
            " typed is kept: read it, then send.",
        )
    message = _add(thread, body, by=by, from_staff=True)
    _handle(thread, last, by=by)
    _record("revocation.replied", thread, message, by=by)
    notices.case_replied(thread.person, case=thread.revocation.ref)
    return message


@transaction.atomic
def handle_answer(*, thread_id: int, seen: str, by: User) -> CaseThread:
    """Mark as dealt with all up to `seen`; what came meanwhile stays unread."""
    case_threads.can_answer(by).enforce()
    thread = _lock(thread_id)
    last = _seen(thread, seen)
    if thread.handled_at and thread.handled_at >= last.sent_at:
        return thread
    _handle(thread, last, by=by)
    _record("revocation.answer_handled", thread, last, by=by)
    return thread


@transaction.atomic
def reopen_answer(*, thread_id: int, seen: str, by: User) -> CaseThread:
    """Mark a thread as unread again, for a colleague; `seen` as for the others."""
    case_threads.can_answer(by).enforce()
    thread = _lock(thread_id)
    last = _seen(thread, seen)
    if thread.handled_at is None:
        return thread
    thread.handled_at, thread.handled_by = None, None
    thread.save(update_fields=["handled_at", "handled_by"])
    _record("revocation.answer_reopened", thread, last, by=by)
    return thread


def _lock(thread_id: int) -> CaseThread:
    rows = CaseThread.objects.select_for_update(of=("self",))
    return rows.select_related("revocation", "person").get(pk=thread_id)


def _seen(thread: CaseThread, ref: str) -> CaseMessage:
    message = thread.messages.filter(ref=ref).first()
    if message is None:
        raise Conflict("not_seen", "This page is out of date. Look at the messages again.")
    return message


def _clean(body: str) -> str:
    body = redact(body.strip())
    if not body or len(body) > MOST_CHARACTERS:
        told = f"Write between 1 and {MOST_CHARACTERS:,} characters."
        raise Invalid("message_length", told, {"body": told})
    return body


def _add(thread: CaseThread, body: str, *, by: User, from_staff: bool) -> CaseMessage:
    """In a thread whose lock the caller holds: later than every other there, whatever the clock."""
    now, last = timezone.now(), thread.messages.last()
    sent_at = max(now, last.sent_at + _NEVER_BEFORE) if last else now
    return CaseMessage.objects.create(
        thread=thread, author=by, from_staff=from_staff, body=body, sent_at=sent_at
    )


def _handle(thread: CaseThread, last: CaseMessage, *, by: User) -> None:
    thread.handled_at, thread.handled_by = last.sent_at, by
    thread.save(update_fields=["handled_at", "handled_by"])


def _record(kind: str, thread: CaseThread, message: CaseMessage, *, by: User) -> None:
    case = thread.revocation.ref
    payload = {"person": thread.person.ref, "message": message.ref}
    record_event(kind, subject=case, thread=case, by=by, payload=payload)
