"""A case while the world outside fails: the mail server, and partners' machines."""

import ipaddress
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from portal.mail.models import OutgoingMail
from portal.mail.tasks import reconcile
from portal.webhooks.models import Delivery
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory
from tests.factories.webhooks import EndpointFactory, hang, receiver
from tests.faults.incidents import (
    assert_all_told_once,
    codes,
    confirm,
    give_to,
    keys_of,
    mails,
    preview,
    until_completed,
)
from tests.post import post_office
from tests.processes import free_port, production_environment, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def case():
    """(case, its keys), confirmed, with no other mail about."""
    phase, by = stories.open_phase(), stories.responder()
    made = keys_of(phase, 3)
    OutgoingMail.objects.all().delete()
    case = preview(phase, by)
    confirm(case, by)
    return case, made


def posting_to(port):
    return production_environment(EMAIL_URL=f"smtp://127.0.0.1:{port}")


def sweep():
    """As beat does, when all pauses are over."""
    ago = timezone.now() - timedelta(minutes=1)
    OutgoingMail.objects.filter(sent_at=None).update(queued_at=ago, next_attempt_at=ago)
    current_app.send_task(reconcile.name)


def holders(made):
    return sorted(key.grant.holder.email for key, _token in made)


def test_a_mail_server_that_was_down_gets_each_mail_once_when_it_is_back(case, worker):
    case, made = case
    port = free_port()
    worker.start(env=posting_to(port))
    until_completed(case)
    for attempt in range(1, 8):  # more often than any other mail is tried
        sweep()
        until(lambda least=attempt: mails().filter(attempts__gte=least).count() == 3)
    assert {mail.state for mail in mails()} == {"Waiting"}
    assert codes(made) == {"key_revoked": 3}
    with post_office(port) as server:
        sweep()
        until(lambda: not OutgoingMail.objects.filter(sent_at=None).exists())
        sweep()
        worker.stop()
    assert server.recipients == holders(made)
    assert_all_told_once(case, made, partners=3)


def test_a_worker_killed_while_it_hands_a_mail_over_sends_it_again_under_the_same_id(case, worker):
    case, made = case
    with post_office() as server:
        server.hang.set()
        worker.start(env=posting_to(server.port))
        until_completed(case)
        assert server.asked.wait(30)
        worker.kill()
        assert mails().filter(sent_at=None).count() == 3
        server.hang.clear()
        worker.start(env=posting_to(server.port))
        sweep()
        until(lambda: not OutgoingMail.objects.filter(sent_at=None).exists())
    assert server.recipients == holders(made)
    ids = sorted(mail["Message-ID"] for _to, mail in server.taken)
    refs = OutgoingMail.objects.values_list("ref", flat=True)
    assert ids == sorted(f"<{ref}@portal.example.org>" for ref in refs)


def test_a_partner_s_machine_that_hangs_or_lies_inside_holds_nobody_up(
    worker, settings, monkeypatch
):
    settings.WEBHOOK_ALLOWED_NETWORKS = (ipaddress.ip_network("127.0.0.0/8"),)
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")
    phase, by = stories.open_phase(), stories.responder()
    made = keys_of(phase, 4)
    hanging, inside = OrganizationFactory(), OrganizationFactory()
    give_to(hanging, made[:2])
    give_to(inside, made[2:3])
    OutgoingMail.objects.all().delete()
    with receiver(hang) as server:
        EndpointFactory(organization=hanging, url=server.url)
        EndpointFactory(organization=inside, url="https://169.254.169.254/latest/meta-data/")
        case = preview(phase, by)
        confirm(case, by)
        worker.start(queues="celery,mail,webhooks", concurrency=2)
        until_completed(case)
        until(lambda: Delivery.objects.filter(attempts__gte=1).count() == 2)
        until(lambda: server.requests)
        assert Delivery.objects.filter(delivered_at=None, dead_at=None).count() == 2
        sweep()
        until(lambda: not OutgoingMail.objects.filter(sent_at=None).exists())
    assert_all_told_once(case, made, partners=3)


def test_mails_keep_no_key_and_no_case_waiting_and_nobody_is_called_told_before_they_leave(
    case, worker, client
):
    """The worker of everything else does not hear of mails at all."""
    case, made = case
    grant = stories.opened()
    worker.start(queues="celery")
    until(lambda: grant.credentials.filter(status="ready").exists())
    until_completed(case)
    assert set(OutgoingMail.objects.values_list("attempts", "sent_at")) == {(0, None)}
    assert OutgoingMail.objects.filter(case=case.ref).count() == len(made)
    client.force_login(stories.responder())
    page = client.get(f"/admin/credentials/revocation/{case.ref}/change/").text
    assert "Revoked; mails are leaving: 0 of 3" in page
    assert "very partner told" not in page
    assert f"{case.ref}/progress/?seen=completed" in page  # it goes on asking
    worker.stop()
    worker.start(queues="mail")
    sweep()
    until(lambda: not mails().filter(sent_at=None).exists())
    page = client.get(f"/admin/credentials/revocation/{case.ref}/change/").text
    assert "Revoked, and every partner told" in page
    assert "/progress/" not in page
