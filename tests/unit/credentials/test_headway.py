"""How far a case is: what the bar, the rate and the time left are about, from real rows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials import services
from portal.credentials.headway import heading, headway, in_words, is_under_way, page_heading
from portal.credentials.models import RevocationItem, RevocationParty
from portal.credentials.services import finishing
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories.cases import confirmed_case, finished_case, let_pass
from tests.factories.credentials import make_live_key
from tests.factories.stories import WORKER, again

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def _slowly(settings, monkeypatch):
    """Two keys a step, one step a task."""
    settings.REVOCATION_CHUNK = 2
    monkeypatch.setattr(finishing, "WORK_FOR", 0)


def keys(count):
    return [make_live_key()[0] for _ in range(count)]


def work_on(case):
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    return again(case)


def a_minute_passes():
    """For all that has happened to cases so far."""
    let_pass(MINUTE)
    ago = timezone.now() - MINUTE
    RevocationItem.objects.exclude(status="frozen").update(next_attempt_at=ago)
    RevocationParty.objects.filter(done_at__isnull=False).update(done_at=ago)


def send(count):
    """So many of the mails leave, in turn."""
    waiting = OutgoingMail.objects.filter(sent_at=None).order_by("pk")
    waiting.update(next_attempt_at=timezone.now())
    assert all(deliver_mail(mail_id=mail.pk) for mail in waiting[:count])


def seen(case):
    step = headway(again(case)).step
    return step.words, step.done, step.total, step.rate_words, step.left_words


@pytest.mark.usefixtures("_slowly")
def test_the_bar_follows_keys_then_partners_then_mails_each_with_a_rate_and_a_time_left(by):
    case = confirmed_case(by, *keys(6))
    let_pass(MINUTE)
    assert seen(case) == ("Keys marked dead", 2, 6, "2.0 keys a minute", "about 2 minutes")
    work_on(case)
    assert seen(case) == ("Keys marked dead", 4, 6, "4.0 keys a minute", "less than a minute")
    work_on(case)
    a_minute_passes()
    work_on(case)
    told = "Partners whose mails are queued"
    assert seen(case) == (told, 1, 6, "1.0 partners a minute", "about 5 minutes")
    for _ in range(6):
        work_on(case)
    a_minute_passes()
    send(4)
    assert seen(case) == ("Mails sent", 4, 6, "4.0 mails a minute", "less than a minute")
    send(2)
    assert seen(case)[:3] == ("Mails sent", 6, 6)
    assert headway(case).step.left_words == ""


@pytest.mark.usefixtures("_slowly")
def test_one_that_is_quick_is_counted_by_the_second(by):
    case = confirmed_case(by, *keys(6))
    assert seen(case)[3:] == ("2.0 keys a second", "less than a minute")


def test_the_rate_is_of_late_and_without_one_there_is_no_time_left(by):
    case = finished_case(by, *keys(3))
    a_minute_passes()
    send(1)
    assert seen(case)[3:] == ("1.0 mails a minute", "about 2 minutes")
    OutgoingMail.objects.filter(sent_at__isnull=False).update(sent_at=timezone.now() - 5 * MINUTE)
    RevocationParty.objects.update(done_at=timezone.now() - 5 * MINUTE)
    assert seen(case) == ("Mails sent", 1, 3, "No mails", "")


def test_pauses_are_left_out_of_the_rate(by):
    case = finished_case(by, *keys(3))
    now = timezone.now()
    RevocationParty.objects.update(done_at=now - 2 * MINUTE)
    send(1)
    assert seen(case)[3:] == ("0.5 mails a minute", "about 4 minutes")
    for kind, seconds in (("paused", 500), ("resumed", 400), ("paused", 110), ("resumed", 20)):
        Event.objects.create(
            at=now - timedelta(seconds=seconds),
            kind=f"revocation.{kind}",
            actor=by.ref,
            subject=case.ref,
            thread=case.ref,
        )
    assert seen(case)[3:] == ("2.0 mails a minute", "about a minute")


@pytest.mark.usefixtures("_slowly")
def test_paused_there_is_no_time_left_and_the_heading_says_why(by):
    case = confirmed_case(by, *keys(2))
    work_on(case)
    case = services.pause_revocation(revocation_id=case.pk, by=by)
    done = headway(case)
    assert (done.step.done, done.step.total, done.step.left_words) == (1, 2, "")
    assert heading(case, done) == "Telling is paused"


def headings(case):
    case, done = again(case), headway(case)
    return is_under_way(case, done), heading(case, done), page_heading(case, done)


@pytest.mark.usefixtures("_slowly")
def test_nobody_counts_as_told_before_their_mail_has_left(by):
    case = confirmed_case(by, *keys(3))
    assert headings(case) == (True, "Marking keys", "Revoked; partners are being told")
    work_on(case)
    assert headings(case)[:2] == (True, "Telling partners")
    while again(case).status == "running":
        work_on(case)
    leaving = "Revoked; mails are leaving"
    assert headings(case) == (True, f"{leaving}: 0 of 3", leaving)
    send(2)
    assert headings(case) == (True, f"{leaving}: 2 of 3", leaving)
    send(1)
    told = (False, "Every partner has been told", "Revoked, and every partner told")
    assert headings(case) == told


def test_a_mail_that_was_given_up_is_no_partner_told(by):
    case = finished_case(by, *keys(2))
    send(1)
    OutgoingMail.objects.filter(sent_at=None).update(dead_at=timezone.now())
    could_not = "Revoked; some mails could not be sent"
    assert headings(case) == (False, "1 of 2 mails given up", could_not)


def test_other_mails_about_the_case_keep_nothing_open(by):
    case = finished_case(by, *keys(1))
    send(1)
    OutgoingMail.objects.create(to=by.email, template="credentials/case_answered", case=case.ref)
    assert headings(case)[0] is False


def test_of_a_drill_nobody_is_told(by):
    case = finished_case(by, make_live_key(kind="test")[0], rehearsal=True)
    said = ("Nobody is told of a drill", "Revoked in a drill, which nobody is told of")
    assert headings(case) == (False, *said)
    assert seen(case)[:3] == ("Keys marked dead", 1, 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "less than a minute"),
        (61, "about a minute"),
        (150, "about 2 minutes"),
        (7100, "about 118 minutes"),
        (7200, "about 2 hours"),
        (200_000, "about 2 days"),
    ],
)
def test_time_left_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words
