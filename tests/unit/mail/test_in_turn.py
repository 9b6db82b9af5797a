"""The mails of a case: each in a slot of its own, held and let go."""

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone

from portal.mail import services
from portal.mail.models import OutgoingMail
from portal.mail.selectors import have_to_leave, unfinished_mail
from tests.faults.locks import held
from tests.unit.mail.test_services import CONTEXT, SUSPENDED, no_server

pytestmark = pytest.mark.django_db

CASE = "CASE-ABCDEFGH"
GAP = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def _six_a_minute(settings):
    settings.MAILS_PER_MINUTE = 6


def in_turn(count, *, case=CASE, template=SUSPENDED, paused=False):
    mails = [(f"{number}@example.org", CONTEXT) for number in range(count)]
    services.queue_mails_in_turn(template=template, mails=mails, case=case, held=paused)
    return list(OutgoingMail.objects.order_by("pk"))[-count:]


def slots(mails):
    """When they are due, from the first on, in gaps."""
    due = [OutgoingMail.objects.get(pk=mail.pk).next_attempt_at for mail in mails]
    return [(each - due[0]) / GAP for each in due]


def minutes_ago(minutes):
    """As if all had been queued so long ago."""
    then = timedelta(minutes=minutes)
    for mail in OutgoingMail.objects.all():
        mail.next_attempt_at, mail.queued_at = mail.next_attempt_at - then, mail.queued_at - then
        mail.turn_at -= then
        mail.save()


def sent():
    return [message.to[0] for message in outbox.outbox]


def test_each_mail_has_a_slot_and_those_of_another_call_come_after():
    assert slots([*in_turn(3), *in_turn(2)]) == [0, 1, 2, 3, 4]


def test_another_case_has_a_line_of_its_own():
    in_turn(3)
    assert in_turn(1, case="CASE-BCDEFGHJ")[0].next_attempt_at <= timezone.now()


def test_a_slot_is_never_in_the_past_nor_where_one_has_just_left():
    in_turn(3)
    minutes_ago(60)
    now = timezone.now()
    assert (first := in_turn(2)[0]).next_attempt_at >= now
    assert services.deliver_mail(mail_id=first.pk)
    OutgoingMail.objects.filter(sent_at=None).delete()
    assert slots([first, *in_turn(1)]) == [0, 1]


def test_one_that_waits_after_a_failure_keeps_nobody_back(settings):
    no_server(settings)
    failing = in_turn(1)[0]
    services.deliver_mail(mail_id=failing.pk)
    assert in_turn(1)[0].next_attempt_at <= timezone.now()


def test_only_a_first_that_is_due_is_rung_for(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as rung:
        in_turn(500)
        in_turn(1)
        in_turn(1, case="CASE-BCDEFGHJ", paused=True)
    assert len(rung) == 1


def test_held_mails_stay_and_the_others_leave():
    in_turn(2)
    in_turn(1, template="accounts/user_reinstated")
    minutes_ago(1)
    services.hold_mails(case=CASE, templates=[SUSPENDED])
    assert services.deliver_queued() == 1
    mails = list(OutgoingMail.objects.filter(held=True))
    assert [services.deliver_mail(mail_id=mail.pk) for mail in mails] == [False, False]
    assert ([mail.state for mail in mails], len(sent())) == (["Held", "Held"], 1)
    assert services.reconcile_mail() is False
    owed = unfinished_mail()
    assert (owed.waiting, owed.since, owed.due_since) == (2, None, None)
    assert have_to_leave(CASE, [SUSPENDED]) is True
    assert have_to_leave(CASE, ["accounts/user_reinstated"]) is False


def test_released_after_an_hour_they_leave_in_new_slots_and_in_the_old_order():
    mails = in_turn(4)
    services.hold_mails(case=CASE, templates=[SUSPENDED])
    other = in_turn(1, case="CASE-BCDEFGHJ", paused=True)[0]
    minutes_ago(60)
    now = timezone.now()
    services.release_mails(case=CASE)
    assert slots(mails) == [0, 1, 2, 3]
    assert OutgoingMail.objects.get(pk=mails[0].pk).next_attempt_at >= now
    assert services.deliver_queued() == 1
    assert sent() == ["0@example.org"]
    assert OutgoingMail.objects.get(held=True) == other


def test_a_mail_that_fails_at_its_turn_is_owed_since_then_and_not_since_all_were_queued(settings):
    no_server(settings)
    mails = in_turn(60)
    minutes_ago(9)
    services.deliver_mail(mail_id=mails[-7].pk)
    assert unfinished_mail().since == OutgoingMail.objects.get(pk=mails[0].pk).turn_at
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in mails[:-7]]).delete()
    assert unfinished_mail().oldest_seconds < 60  # and not nine minutes
    assert OutgoingMail.objects.get(pk=mails[-7].pk).attempts == 1


def test_while_as_many_leave_as_may_the_others_that_are_due_are_not_late():
    """Two cases at once, or after an outage: what is due waits for those before it."""
    in_turn(6)
    in_turn(6, case="CASE-BCDEFGHJ")
    minutes_ago(2)
    assert unfinished_mail().oldest_seconds >= 120
    assert services.deliver_queued() == 6
    owed = unfinished_mail()
    assert (owed.waiting, owed.since, owed.due_since) == (6, None, None)
    services.queue_mail(to="ada@example.org", template=SUSPENDED, context=CONTEXT)
    assert unfinished_mail().since is not None  # any other mail leaves at once
    OutgoingMail.objects.filter(case="").delete()
    OutgoingMail.objects.filter(sent_at__isnull=False).update(
        sent_at=timezone.now() - timedelta(minutes=2)
    )
    assert unfinished_mail().oldest_seconds >= 90  # now nobody sends


def test_one_that_was_given_up_and_is_tried_again_is_held_too(settings):
    mail = in_turn(1)[0]
    OutgoingMail.objects.update(dead_at=timezone.now(), attempts=5)
    services.hold_mails(case=CASE, templates=[SUSPENDED])
    OutgoingMail.objects.update(dead_at=None, attempts=0, next_attempt_at=timezone.now())
    assert services.deliver_mail(mail_id=mail.pk) is False


@pytest.mark.django_db(transaction=True)
def test_whoever_pauses_waits_for_no_mail_server_and_what_fails_then_is_held(settings):
    """A worker has the row for as long as it speaks to the mail server."""
    no_server(settings)
    first, _second = in_turn(2)
    rows = OutgoingMail.objects.order_by("pk")
    with held(lambda: list(rows.select_for_update().filter(pk=first.pk))):
        services.hold_mails(case=CASE, templates=[SUSPENDED])
        assert list(rows.values_list("held", flat=True)) == [False, True]
    assert services.deliver_mail(mail_id=first.pk) is False
    first.refresh_from_db()
    assert (first.attempts, first.state) == (1, "Held")
