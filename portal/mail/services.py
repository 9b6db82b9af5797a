"""Queueing and sending. An unsent row is the queue; Celery only rings the bell."""

import logging
import smtplib
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.db.models import Case, Max, Q, When
from django.utils import timezone

from portal.audit.services import record_event
from portal.doorbell import ring, ring_after_commit
from portal.mail import policies
from portal.mail.letters import as_html, letter
from portal.mail.models import OutgoingMail
from portal.mail.selectors import left_within_a_minute

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5
FIRST_WAIT = timedelta(seconds=30)  # then 2, 8 and 32 minutes, and for a case 32 again and again
# Of a mail of a case that a server refuses for good: after 32 minutes 2 and 8 hours, then a day.
MOST_REFUSALS = 8
LONGEST_WAIT = timedelta(days=1)
_FOR_GOOD = 500
# What was queued a moment ago has a ring of its own under way.
GRACE = timedelta(seconds=5)
BATCH = 200
LONGEST_RUN = 10.0  # seconds of one task, which ends at 25


def queue_mail(
    *,
    to: str,
    template: str,
    context: dict[str, Any],
    case: str = "",
) -> OutgoingMail:
    """Queue one mail in the caller's transaction, to be sent after commit.

    `case` is the reference of an incident's case: whoever it is about has to hear of it, so it is
    tried for as long as the mail server fails, and never given up for that.

    `template` is `<app>/<event>`: a folder of templates/emails/ with subject.txt, body.txt and
    body.html. The context is stored as it is, so it holds words and addresses, never a secret.
    """
    from portal.mail.tasks import deliver  # noqa: PLC0415 - a task's body imports its one service

    mail = OutgoingMail(to=to, template=template, context=context, case=case)
    mail.save()
    ring_after_commit(deliver, mail.pk)
    return mail


def queue_mails(*, template: str, mails: list[tuple[str, dict[str, Any]]]) -> None:
    """Queue one mail a (to, context) in one statement, and ring once for all of them."""
    from portal.mail.tasks import deliver_queued as deliver  # noqa: PLC0415 - as above

    OutgoingMail.objects.bulk_create(
        OutgoingMail(to=to, template=template, context=context) for to, context in mails
    )
    ring_after_commit(deliver)


def queue_mails_in_turn(
    *, template: str, mails: Sequence[tuple[str, dict[str, Any]]], case: str, held: bool
) -> None:
    """Queue one mail a (to, context) about a case, each in a slot of its own, after those before.

    Only what is due at once is rung for: one of very many leaves when its time has come and
    `reconcile_mail` comes by, and keeps no other mail waiting. Those `held` wait to be released.
    Whoever calls holds a lock that is the case's, so that no slot is given twice.
    """
    from portal.mail.tasks import deliver_queued as deliver  # noqa: PLC0415 - as above

    now, gap = timezone.now(), _gap()
    last = OutgoingMail.objects.filter(
        Q(attempts=0) | Q(sent_at__isnull=False), case=case
    ).aggregate(at=Max("next_attempt_at"))["at"]
    first = max(now, last + gap) if last else now
    about = {"template": template, "case": case, "held": held}
    turns = (first + gap * place for place in range(len(mails)))
    OutgoingMail.objects.bulk_create(
        OutgoingMail(to=to, context=context, next_attempt_at=turn, turn_at=turn, **about)
        for turn, (to, context) in zip(turns, mails, strict=True)
    )
    if first <= now and not held:
        ring_after_commit(deliver)


@transaction.atomic
def hold_mails(*, case: str, templates: Sequence[str]) -> None:
    """Keep back those of a case that have not left.

    What is being handed over right now is passed over: a mail server may take its time, and
    whoever pauses is in a hurry. It leaves, or joins the others when it fails.
    """
    unsent = OutgoingMail.objects.filter(case=case, template__in=templates, sent_at=None)
    free = unsent.select_for_update(skip_locked=True)
    OutgoingMail.objects.filter(pk__in=free.values("pk")).update(held=True)


@transaction.atomic
def release_mails(*, case: str) -> None:
    """Let go what is held of a case: in the old order, in new slots from now on."""
    from portal.mail.tasks import deliver_queued as deliver  # noqa: PLC0415 - as above

    params: list[Any] = [timezone.now(), _gap()] * 2 + [case]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {OutgoingMail._meta.db_table} AS mail"  # noqa: S608 - our own table's name
            " SET held = false, next_attempt_at = %s + line.place * %s,"
            "  turn_at = %s + line.place * %s"
            " FROM (SELECT id, row_number() OVER (ORDER BY next_attempt_at, id) - 1 AS place"
            f"  FROM {OutgoingMail._meta.db_table}"
            '  WHERE "case" = %s AND NOT ("case" = \'\') AND held) AS line'
            " WHERE line.id = mail.id",
            params,
        )
    ring_after_commit(deliver)


def _gap() -> timedelta:
    """Between two mails of a case: thousands at once would be taken for spam."""
    return timedelta(minutes=1) / settings.MAILS_PER_MINUTE


def deliver_queued() -> int:
    """Send what is due, the oldest first, for a few seconds; returns how many mails were tried.
    Those of cases come after all others, and so many a minute: of them there may be thousands.

    Rings for the rest. Several of these at once pass over each other's mails.
    """
    from portal.mail.tasks import deliver_queued as deliver  # noqa: PLC0415 - as above

    due = OutgoingMail.objects.filter(
        sent_at=None, dead_at=None, held=False, next_attempt_at__lte=timezone.now()
    )
    in_turn = due.order_by(Case(When(case="", then=0), default=1), "next_attempt_at", "pk")
    rows = list(in_turn.values_list("pk", "case")[:BATCH])
    until, tried = time.monotonic() + LONGEST_RUN, 0
    for mail_id, case in rows:
        if case and not _may_leave():
            return tried  # the sweep rings again
        if time.monotonic() > until:
            break
        deliver_mail(mail_id=mail_id)
        tried += 1
    if tried < len(rows) or tried == BATCH:
        ring(deliver)
    return tried


def _may_leave() -> bool:
    """Whether one more of a case may: after an outage very many are due at once. Asked before
    each, as other workers send, too.
    """
    return left_within_a_minute() < settings.MAILS_PER_MINUTE


@transaction.atomic
def deliver_mail(*, mail_id: int) -> bool:
    """Send the mail unless it was sent, is dead or held, or another worker has it; True when sent.

    The row stays locked while the mail server is spoken to, so two workers never send it twice.
    A worker killed in between leaves the row unsent: that one mail may arrive again, under the
    same Message-ID.
    """
    mail = OutgoingMail.objects.select_for_update(skip_locked=True).filter(pk=mail_id).first()
    if mail is None or not mail.waits or mail.next_attempt_at > timezone.now():
        return False
    mail.attempts += 1
    try:
        _message(mail).send()
    except Exception as error:  # noqa: BLE001 - whatever it was, the row remembers and waits
        _postpone(mail, error)
        mail.held = _others_are_held(mail)
    else:
        mail.sent_at, mail.last_error = timezone.now(), ""
    mail.save(
        update_fields=[
            *("attempts", "refusals", "sent_at", "next_attempt_at", "dead_at", "last_error", "held")
        ]
    )
    return mail.sent_at is not None


def reconcile_mail() -> bool:
    """Ring once where mails are due that nobody has sent, however many; returns whether so."""
    from portal.mail.tasks import deliver_queued as deliver  # noqa: PLC0415 - as above

    now = timezone.now()
    due = OutgoingMail.objects.filter(
        sent_at=None,
        dead_at=None,
        held=False,
        next_attempt_at__lte=now,
        queued_at__lte=now - GRACE,
    ).exists()
    if due:
        ring(deliver)
    return due


@transaction.atomic
def retry_mail(*, mail_id: int, by: policies.Permitted) -> OutgoingMail:
    """Give a dead mail five attempts more, starting now."""
    from portal.mail.tasks import deliver  # noqa: PLC0415 - a task's body imports its one service

    mail = OutgoingMail.objects.select_for_update().get(pk=mail_id)
    policies.can_retry_mail(by, mail).enforce()
    mail.dead_at, mail.attempts, mail.refusals = None, 0, 0
    mail.next_attempt_at = mail.turn_at = timezone.now()  # nobody owed it any longer
    mail.save(update_fields=["dead_at", "attempts", "refusals", "next_attempt_at", "turn_at"])
    record_event("mail.retried", subject=mail.ref, thread=mail.ref, by=by)
    ring_after_commit(deliver, mail.pk)
    return mail


def _message(mail: OutgoingMail) -> EmailMultiAlternatives:
    host = urlsplit(settings.BASE_URL).hostname
    words = letter(mail.template, mail.context)
    message = EmailMultiAlternatives(
        subject=words.subject,
        body=words.text,
        to=[mail.to],
        headers={"Message-ID": f"<{mail.ref}@{host!s}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(as_html(mail.template, mail.context), "text/html")
    return message


def _postpone(mail: OutgoingMail, error: Exception) -> None:
    """Wait four times longer after each of the first failures; give up, visibly, after the last.

    A mail of a case has no last one, unless the fault is in the mail itself: time mends a server,
    not an address that cannot be written down. One that a server refuses for good is tried for
    days, rarer and rarer, and then a person is needed.
    """
    now, code = timezone.now(), _code(error)
    mail.last_error = f"{type(error).__name__} {code or ''}".strip()  # never the server's words
    may_pass = _may_pass(error)
    if mail.case and _is_refused(error):
        mail.refusals += 1
        tried, most, over = mail.refusals, MOST_REFUSALS, mail.refusals >= MOST_REFUSALS
    else:
        tried, most = mail.attempts, MOST_ATTEMPTS - 1
        over = mail.attempts >= MOST_ATTEMPTS and not (mail.case and may_pass)
    mail.next_attempt_at = now + min(FIRST_WAIT * 4 ** (min(tried, most) - 1), LONGEST_WAIT)
    if over:
        mail.dead_at = now
    # Where it failed is of use only when it was here; and the server's words name people.
    what = ("mail: %s, attempt %d: %s", mail.template, mail.attempts, mail.last_error)
    log.warning(*what, exc_info=None if may_pass else error)


def _others_are_held(mail: OutgoingMail) -> bool:
    """Whether its like were held while this one was being handed over."""
    like = OutgoingMail.objects.filter(case=mail.case, template=mail.template, held=True)
    return bool(mail.case) and like.exists()


def _may_pass(error: Exception) -> bool:
    """Whether it came of the server or the way there. Errors of SMTP are OSErrors, too; one of
    them says that this address needs what the server cannot do.
    """
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return False
    return isinstance(error, OSError | SoftTimeLimitExceeded)


def _is_refused(error: Exception) -> bool:
    """Whether a server will have it for nobody: this mailbox, or this mail. That it lets us send
    nothing at all says nothing of the mail.
    """
    about_it = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    return about_it and _code(error) >= _FOR_GOOD


def _code(error: Exception) -> int:
    """The server's; the lowest, where it has one for each address; 0 for none."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min((int(code) for code, _words in error.recipients.values()), default=0)
    return int(getattr(error, "smtp_code", 0))
