"""Mails of a case that a server refuses: how long they are tried, and when a person is needed."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.mail import services
from portal.mail.models import OutgoingMail
from portal.mail.selectors import failing_mails, post_of_case
from tests.factories.reviews import staff
from tests.post import post_office
from tests.unit.mail.test_services import CASE, SMTP, no_server, queued, try_often

pytestmark = pytest.mark.django_db
NOBODY, FULL = "550 5.1.1 no such mailbox", "452 4.2.2 mailbox full"
HALF_AN_HOUR, TWO_HOURS, EIGHT_HOURS, A_DAY = 1920, 7680, 30720, 86400


@contextmanager
def server_that_says(words, settings):
    with post_office() as server:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP, "127.0.0.1"
        settings.EMAIL_PORT = server.port
        server.refused["ada@example.org"] = words
        yield server


def test_refused_for_good_it_is_tried_rarer_and_rarer_and_then_a_person_is_needed(settings):
    mail = queued(case=CASE)
    with server_that_says(NOBODY, settings):
        pauses = try_often(mail, services.MOST_REFUSALS)
    assert pauses[:-1] == [30, 120, 480, HALF_AN_HOUR, TWO_HOURS, EIGHT_HOURS, A_DAY]
    assert (mail.state, mail.last_error) == ("Given up", "SMTPRecipientsRefused 550")
    assert (post_of_case(CASE).given_up, list(failing_mails(CASE))) == (1, [mail])


def test_refused_for_now_it_is_tried_every_half_hour_without_end(settings):
    mail = queued(case=CASE)
    with server_that_says(FULL, settings):
        pauses = try_often(mail, services.MOST_REFUSALS + 2)
    assert pauses[3:] == [HALF_AN_HOUR] * 7
    assert (mail.state, mail.last_error) == ("Waiting", "SMTPRecipientsRefused 452")


def test_attempts_while_the_server_was_down_are_no_refusals(settings):
    no_server(settings)
    mail = queued(case=CASE)
    try_often(mail, 20)
    with server_that_says(NOBODY, settings):
        assert try_often(mail, 2) == [30, 120]
    assert mail.state == "Waiting"


def test_a_server_that_takes_nothing_from_us_says_nothing_of_the_mail(settings):
    settings.DEFAULT_FROM_EMAIL = "portal@example.org"
    mail = queued(case=CASE)
    with server_that_says(NOBODY, settings) as server:
        server.refused = {"portal@example.org": "550 5.7.1 not from you"}
        try_often(mail, services.MOST_REFUSALS + 1)
    assert (mail.refusals, mail.last_error) == (0, "SMTPSenderRefused 550")
    assert mail.state == "Waiting"


def test_once_the_mailbox_is_there_the_mail_arrives(settings):
    mail = queued(case=CASE)
    with server_that_says(NOBODY, settings) as server:
        try_often(mail, services.MOST_REFUSALS)
        services.retry_mail(mail_id=mail.pk, by=staff("incident_responder"))
        mail.refresh_from_db()
        assert (mail.state, mail.refusals) == ("Waiting", 0)
        server.refused.clear()
        services.deliver_mail(mail_id=mail.pk)
        assert server.recipients == ["ada@example.org"]


# --- After an outage -----------------------------------------------------------------------------
def test_what_an_outage_has_kept_leaves_so_many_a_minute(settings):
    """Of cases; whatever else is due leaves at once."""
    settings.MAILS_PER_MINUTE = 3
    long_ago = timezone.now() - timedelta(hours=1)
    for _ in range(5):
        queued(case=CASE, next_attempt_at=long_ago)
    for _ in range(4):
        queued(next_attempt_at=long_ago)
    sent = OutgoingMail.objects.filter(sent_at__isnull=False)
    assert (services.deliver_queued(), sent.count()) == (7, 7)
    assert (services.deliver_queued(), sent.exclude(case="").count()) == (0, 3)
    sent.update(sent_at=timezone.now() - timedelta(minutes=1))
    assert (services.deliver_queued(), sent.count()) == (2, 9)


def test_those_of_another_case_count_too(settings):
    settings.MAILS_PER_MINUTE = 1
    queued(case="CASE-ANOTHERO", sent_at=timezone.now())
    queued(case=CASE)
    assert services.deliver_queued() == 0


def test_what_may_not_leave_yet_is_left_to_the_sweep(settings, monkeypatch):
    """Ringing at once would go round and round for a minute."""
    heard = []
    monkeypatch.setattr(services, "ring", lambda task, *args: heard.append(task.name))
    monkeypatch.setattr(services, "BATCH", 2)
    settings.MAILS_PER_MINUTE = 2
    long_ago = timezone.now() - timedelta(hours=1)
    for _ in range(4):
        queued(case=CASE, next_attempt_at=long_ago, queued_at=long_ago)
    assert (services.deliver_queued(), heard) == (2, ["mail.deliver_queued"])
    assert (services.deliver_queued(), len(heard)) == (0, 1)
    assert services.reconcile_mail()
