from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.db import transaction
from django.utils import timezone

from portal.errors import NotAllowed
from portal.mail import services
from portal.mail.models import OutgoingMail
from portal.mail.selectors import failing_mails, post_of_case, sent_since, unfinished_mail
from portal.owed import Owed
from tests.factories.accounts import UserFactory
from tests.post import post_office

SUSPENDED = "accounts/user_suspended"
CONTEXT = {"name": "Ada & Co", "ref": "USR-ABCDEFGH", "contact": "mailto:security@example.org"}
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def queued(**fields):
    mail = services.queue_mail(to="ada@example.org", template=SUSPENDED, context=CONTEXT)
    OutgoingMail.objects.filter(pk=mail.pk).update(**fields)
    return mail


def no_server(settings):
    """Port 1 of this machine: nobody listens there."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1


def fail_until_dead(mail):
    for _ in range(services.MOST_ATTEMPTS):
        OutgoingMail.objects.filter(pk=mail.pk).update(next_attempt_at=timezone.now())
        services.deliver_mail(mail_id=mail.pk)
    mail.refresh_from_db()


@pytest.mark.django_db
def test_a_mail_is_a_row_and_one_ring_after_commit(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as rings:
        mail = queued()
    assert len(rings) == 1
    assert (mail.state, mail.attempts, outbox.outbox) == ("Waiting", 0, [])


@pytest.mark.django_db
def test_a_rolled_back_change_mails_nobody():
    with transaction.atomic():
        queued()
        transaction.set_rollback(True)
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db
def test_delivery_sends_text_and_html_once():
    mail = queued()
    assert services.deliver_mail(mail_id=mail.pk) is True
    assert services.deliver_mail(mail_id=mail.pk) is False
    (sent,) = outbox.outbox
    mail.refresh_from_db()
    assert (sent.to, sent.subject) == (["ada@example.org"], "Your account is suspended")
    assert "Hello Ada & Co," in sent.body
    assert "You get this mail because the account is yours." in sent.body
    ((html, kind),) = sent.alternatives
    assert (kind, "Hello Ada &amp; Co," in html) == ("text/html", True)
    assert sent.extra_headers["Message-ID"].startswith(f"<{mail.ref}@")
    assert (mail.state, mail.attempts, mail.last_error) == ("Sent", 1, "")


@pytest.mark.django_db
def test_an_unknown_mail_is_nothing_to_send():
    assert services.deliver_mail(mail_id=1) is False


@pytest.mark.django_db(transaction=True)
def test_ten_workers_at_once_send_it_once(concurrently):
    mail = queued()
    results = concurrently(*[lambda: services.deliver_mail(mail_id=mail.pk)] * 10)
    assert (sorted(results), len(outbox.outbox)) == ([False] * 9 + [True], 1)


@pytest.mark.django_db
def test_a_failed_attempt_waits_longer_each_time_and_hides_what_the_server_said(settings):
    no_server(settings)
    mail = queued()
    waits = []
    for _ in range(2):
        OutgoingMail.objects.filter(pk=mail.pk).update(next_attempt_at=timezone.now())
        before = timezone.now()
        assert services.deliver_mail(mail_id=mail.pk) is False
        mail.refresh_from_db()
        waits.append(round((mail.next_attempt_at - before).total_seconds() / 10) * 10)
    assert waits == [30, 120]
    assert (mail.state, mail.attempts, mail.last_error) == ("Waiting", 2, "ConnectionRefusedError")


@pytest.mark.django_db
def test_it_is_not_tried_before_its_time(settings):
    mail = queued(next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert services.deliver_mail(mail_id=mail.pk) is False
    assert outbox.outbox == []


@pytest.mark.django_db
def test_after_five_failures_it_is_dead_and_can_be_tried_again(settings):
    no_server(settings)
    mail = queued()
    fail_until_dead(mail)
    assert (mail.state, mail.attempts) == ("Given up", 5)
    assert services.deliver_mail(mail_id=mail.pk) is False

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    services.retry_mail(mail_id=mail.pk, by=UserFactory(permissions=["mail.retry_mail"]))
    assert services.deliver_mail(mail_id=mail.pk) is True


@pytest.mark.django_db
def test_only_the_permitted_try_again_and_only_dead_mails(settings):
    no_server(settings)
    dead, alive = queued(), queued()
    fail_until_dead(dead)
    outcomes = {}
    for name, permissions in (("anyone", []), ("permitted", ["mail.retry_mail"])):
        by = UserFactory(permissions=permissions)
        for mail in (dead, alive):
            try:
                services.retry_mail(mail_id=mail.pk, by=by)
                outcomes[name, mail] = "tried"
            except NotAllowed as error:
                outcomes[name, mail] = error.code
    assert outcomes == {
        ("anyone", dead): "no_permission",
        ("anyone", alive): "no_permission",
        ("permitted", dead): "tried",
        ("permitted", alive): "not_dead",
    }


@pytest.mark.django_db
def test_a_broken_template_is_a_failed_attempt_and_the_log_says_where(caplog):
    mail = queued(template="accounts/no_such_event")
    assert services.deliver_mail(mail_id=mail.pk) is False
    mail.refresh_from_db()
    assert mail.last_error == "TemplateDoesNotExist"
    assert "in get_template" in caplog.text


@pytest.mark.django_db
def test_of_a_server_that_failed_the_log_has_no_more_than_the_row(settings, caplog):
    no_server(settings)
    services.deliver_mail(mail_id=queued().pk)
    assert ("ConnectionRefusedError" in caplog.text, "Traceback" in caplog.text) == (True, False)


@pytest.fixture
def rung(monkeypatch):
    """What is rung for, instead of its being carried to a broker."""
    heard = []
    monkeypatch.setattr(services, "ring", lambda task, *args: heard.append((task.name, *args)))
    return heard


@pytest.mark.django_db
@pytest.mark.parametrize("due", [0, 1, 3])
def test_reconcile_rings_once_for_all_that_is_due_and_older_than_a_moment(rung, due):
    now, old = timezone.now(), timezone.now() - timedelta(minutes=1)
    queued(queued_at=old, sent_at=now)
    queued(queued_at=old, dead_at=now)
    queued(queued_at=old, next_attempt_at=now + timedelta(minutes=5))
    queued()
    for _ in range(due):
        queued(queued_at=old)
    assert services.reconcile_mail() == bool(due)
    assert rung == ([("mail.deliver_queued",)] if due else [])


@pytest.mark.django_db
def test_unfinished_mail_counts_waiting_and_dead_and_tells_what_is_late():
    assert unfinished_mail() == Owed(waiting=0, since=None, due_since=None, dead=0)
    now = timezone.now()
    failed_once, at_rest = now - timedelta(minutes=3), now + timedelta(minutes=2)
    queued(queued_at=failed_once, next_attempt_at=at_rest)
    due = now - timedelta(minutes=1)
    queued(queued_at=due, next_attempt_at=due)
    queued(dead_at=now, queued_at=now - timedelta(hours=1))
    queued(sent_at=now, queued_at=now - timedelta(hours=1))
    assert unfinished_mail() == Owed(waiting=2, since=failed_once, due_since=due, dead=1)


# --- Of a case -------------------------------------------------------------------------------
CASE = "CASE-ABCDEFGH"


def try_often(mail, times):
    """Attempt after attempt; returns the pause after each, in seconds."""
    pauses = []
    for _ in range(times):
        OutgoingMail.objects.filter(pk=mail.pk).update(next_attempt_at=timezone.now())
        before = timezone.now()
        services.deliver_mail(mail_id=mail.pk)
        mail.refresh_from_db()
        pauses.append(round((mail.next_attempt_at - before).total_seconds() / 10) * 10)
    return pauses


@pytest.mark.django_db
def test_a_mail_of_a_case_is_tried_without_end_with_pauses_of_half_an_hour_at_most(settings):
    no_server(settings)
    mail = queued(case=CASE)
    assert try_often(mail, 8) == [30, 120, 480, *[1920] * 5]
    assert (mail.state, mail.attempts) == ("Waiting", 8)
    assert list(failing_mails(CASE)) == [mail]

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    try_often(mail, 2)
    assert (mail.state, len(outbox.outbox)) == ("Sent", 1)
    assert list(failing_mails(CASE)) == []


@pytest.mark.django_db
def test_a_mail_of_a_case_that_cannot_be_written_down_is_given_up_and_listed(settings):
    """No waiting mends it: a name in the domain is longer than there can be."""
    with post_office() as server:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP, "127.0.0.1"
        settings.EMAIL_PORT = server.port
        mail, well = queued(case=CASE, to=f"ada@{'a' * 64}.\u00e4.example"), queued(case=CASE)
        try_often(mail, services.MOST_ATTEMPTS)
        services.deliver_mail(mail_id=well.pk)
    assert server.recipients == [well.to]
    assert mail.state == "Given up"
    assert mail.last_error in {"UnicodeError", "UnicodeEncodeError"}  # the second from 3.13 on
    assert list(failing_mails(CASE)) == [mail]


@pytest.mark.django_db
def test_the_mails_of_a_case_however_many_hold_up_no_other(monkeypatch):
    monkeypatch.setattr(services, "BATCH", 2)
    long_ago = timezone.now() - timedelta(hours=1)
    for number in range(3):
        queued(case=CASE, to=f"{number}@example.org", next_attempt_at=long_ago)
    queued()
    assert services.deliver_queued() == 2
    assert [mail.to for mail in outbox.outbox] == [["ada@example.org"], ["0@example.org"]]


@pytest.mark.django_db
def test_the_mails_of_a_case_are_counted_and_no_others():
    now = timezone.now()
    for fields in ({"sent_at": now}, {"sent_at": now}, {}, {"dead_at": now, "attempts": 5}):
        queued(case=CASE, **fields)
    queued(case="CASE-OTHERONE")
    queued(attempts=3)
    post = post_of_case(CASE)
    assert (post.sent, post.waiting, post.given_up, post.total) == (2, 1, 1, 4)
    assert post.last_sent_at == now
    kind = "credentials/case_answered"
    queued(case=CASE, template=kind, sent_at=now)
    assert post_of_case(CASE, template=kind).total == 1
    assert sent_since(CASE, now, template=kind) == 1
    assert sent_since(CASE, now + timedelta(seconds=1), template=kind) == 0
    assert [mail.state for mail in failing_mails(CASE)] == ["Given up"]


@pytest.mark.django_db
def test_a_mail_of_a_case_is_late_from_when_its_turn_has_come():
    """Thousands are spread over minutes, and nobody need look for what is wrong."""
    now = timezone.now()
    queued_at, turn = now - timedelta(minutes=20), now - timedelta(seconds=10)
    later = now + timedelta(minutes=5)
    queued(case=CASE, queued_at=queued_at, next_attempt_at=later, turn_at=later)
    assert unfinished_mail() == Owed(waiting=1, since=None, due_since=None, dead=0)
    queued(case=CASE, queued_at=queued_at, next_attempt_at=turn, turn_at=turn)
    assert unfinished_mail() == Owed(waiting=2, since=turn, due_since=turn, dead=0)
    retried = now + timedelta(minutes=2)
    first = now - timedelta(minutes=1)
    queued(case=CASE, queued_at=queued_at, next_attempt_at=retried, turn_at=first, attempts=1)
    assert unfinished_mail() == Owed(waiting=3, since=first, due_since=turn, dead=0)
