"""Telling partners of a case: one mail after another, and paused until somebody goes on."""

import signal
from contextlib import contextmanager
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings as given
from django.db import connection
from django.utils import timezone

from portal.credentials import services, tasks
from portal.credentials.headway import heading, headway, page_heading
from portal.errors import NotAllowed
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail, deliver_queued
from tests.factories.accounts import OrganizationFactory
from tests.factories.cases import (
    confirmed_case,
    finish_reissue,
    finished_case,
    let_pass,
    preview_reissue,
    start_reissue,
)
from tests.factories.credentials import make_live_key
from tests.factories.stories import WORKER, again

pytestmark = pytest.mark.django_db

GAP = timedelta(seconds=30)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _two_a_minute(settings):
    settings.MAILS_PER_MINUTE = 2


def live(count, **fields):
    return [make_live_key(**fields)[0] for _ in range(count)]


def pause(case, by):
    services.pause_revocation(revocation_id=case.pk, by=by)


def resume(case, by):
    services.resume_revocation(revocation_id=case.pk, by=by)


def finish(case):
    services.finish_revocation(revocation_id=case.pk, by=WORKER)


def an_hour_passes():
    """For the case and its mails."""
    let_pass(HOUR)
    for mail in OutgoingMail.objects.all():
        mail.next_attempt_at, mail.queued_at = mail.next_attempt_at - HOUR, mail.queued_at - HOUR
        mail.sent_at = mail.sent_at and mail.sent_at - HOUR
        mail.save()


def mails():
    return OutgoingMail.objects.filter(template__startswith="credentials/keys_re")


def slots():
    """When mails are due from now on, in gaps: 0 or less is now."""
    due = mails().filter(sent_at=None).order_by("next_attempt_at")
    now = timezone.now()
    return [round((each.next_attempt_at - now) / GAP) for each in due]


# --- One after another ------------------------------------------------------------------------
def test_the_many_people_of_one_partner_get_a_slot_each(by):
    finished_case(by, *live(5, grant__organization=OrganizationFactory()))
    assert slots() == [0, 1, 2, 3, 4]


def test_workers_that_were_down_for_an_hour_send_no_faster_for_that(by):
    case = confirmed_case(by, *live(4))
    an_hour_passes()
    finish(case)
    assert slots() == [0, 1, 2, 3]
    assert deliver_queued() == 1


def test_a_re_issue_stands_in_the_same_line(by):
    keys = live(2)
    case = finished_case(by, *keys)
    finish_reissue(start_reissue(preview_reissue(case, by), by))
    assert slots() == [0, 1, 2, 3]
    last = mails().order_by("-next_attempt_at")[:2]
    assert {mail.template for mail in last} == {"credentials/keys_reissued"}


# --- Paused -----------------------------------------------------------------------------------
def test_after_a_pause_of_an_hour_before_any_was_queued_not_all_are_due_at_once(by):
    case = confirmed_case(by, *live(4))
    pause(case, by)
    an_hour_passes()
    finish(case)
    assert not mails().exists()
    resume(case, by)
    finish(case)
    assert slots() == [0, 1, 2, 3]


def test_what_is_queued_is_held_for_an_hour_and_then_leaves_one_by_one(by):
    case = finished_case(by, *live(4))
    assert deliver_queued() == 1
    pause(case, by)
    an_hour_passes()
    assert deliver_queued() == 0
    assert {mail.state for mail in mails().filter(sent_at=None)} == {"Held"}
    resume(case, by)
    assert slots() == [0, 1, 2]
    assert deliver_queued() == 1
    an_hour_passes()
    assert deliver_queued() == 2
    assert mails().filter(sent_at=None).count() == 0


def test_a_completed_case_is_paused_while_mails_have_still_to_leave(by):
    case = finished_case(by, *live(2))
    assert case.status == "completed"
    pause(case, by)
    case = again(case)
    done = headway(case)
    assert heading(case, done) == "Telling is paused"
    assert page_heading(case, done) == "Revoked; telling is paused"
    with pytest.raises(NotAllowed):
        pause(case, by)
    resume(case, by)
    an_hour_passes()
    assert deliver_queued() == 2
    with pytest.raises(NotAllowed) as refused:
        pause(case, by)
    assert refused.value.code == "not_running"


def test_what_a_re_issue_queues_meanwhile_is_held_too(by):
    case = finished_case(by, *live(2))
    pause(case, by)
    finish_reissue(start_reissue(preview_reissue(case, by), by))
    assert [mail.held for mail in mails()] == [True] * 4
    assert deliver_queued() == 0
    resume(case, by)
    assert slots() == [0, 1, 2, 3]


def test_what_a_partner_and_staff_write_to_each_other_is_not_held(by):
    (key,) = live(1)
    case = finished_case(by, key)
    holder = key.grant.holder
    pause(case, by)
    services.write_about_case(revocation_id=case.pk, body="Was it us?", by=holder)
    written = OutgoingMail.objects.get(template="credentials/case_answered")
    assert deliver_mail(mail_id=written.pk) is True


def test_nobody_else_s_mails_are_held(by):
    case, other = finished_case(by, *live(1)), finished_case(by, *live(1))
    pause(case, by)
    assert dict(mails().values_list("case", "held")) == {case.ref: True, other.ref: False}


# --- A step that takes too long -----------------------------------------------------------------
@contextmanager
def time_is_up_while_a_mail_is_queued():
    """What a worker does to a task at its soft limit, here while the table of mails is taken."""
    other = connection.copy()
    other.set_autocommit(False)
    other.cursor().execute("LOCK TABLE mail_outgoingmail IN SHARE MODE")

    def stop(_signal, _frame):
        other.rollback()
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        other.close()


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_takes_too_long_is_put_off_and_counted(by):
    assert 0 < tasks.finish_revocation.soft_time_limit < given.CELERY_TASK_TIME_LIMIT
    case = confirmed_case(by, *live(1))
    with time_is_up_while_a_mail_is_queued():
        finish(case)
    party = case.parties.get()
    assert (party.status, party.attempts) == ("failed", 1)
    assert party.last_error == "SoftTimeLimitExceeded"
    assert party.next_attempt_at > timezone.now()
    assert not mails().exists()
