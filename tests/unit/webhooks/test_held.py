"""A pause holds the events about a case, for as long as it lasts."""

import ipaddress

import pytest
from django.utils import timezone

from portal.credentials import services as credentials
from portal.credentials.headway import heading, headway
from portal.errors import NotAllowed
from portal.mail.models import OutgoingMail
from portal.webhooks import selectors, services
from portal.webhooks.models import Delivery
from portal.webhooks.services import delivering
from portal.webhooks.transport import Answer
from tests.factories.accounts import OrganizationFactory
from tests.factories.cases import confirmed_case, finished_case
from tests.factories.credentials import make_live_key
from tests.factories.stories import WORKER, again, responder
from tests.factories.webhooks import EndpointFactory, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )


@pytest.fixture
def by():
    return responder()


@pytest.fixture
def server():
    with receiver() as server:
        yield server


@pytest.fixture
def key(server):
    partner = OrganizationFactory()
    EndpointFactory(organization=partner, url=server.url)
    return make_live_key(grant__application__organization=partner)[0]


def pause(case, by):
    credentials.pause_revocation(revocation_id=case.pk, by=by)


def resume(case, by):
    credentials.resume_revocation(revocation_id=case.pk, by=by)


def deliver():
    """Whatever is due, whether rung for or found by the sweep; returns how many have arrived."""
    Delivery.objects.update(next_attempt_at=timezone.now())
    ids = [*selectors.due_deliveries(), *Delivery.objects.values_list("pk", flat=True)]
    return sum(services.deliver_event(delivery_id=pk) for pk in ids)


def test_what_is_queued_is_held_until_somebody_goes_on(
    by, key, server, django_capture_on_commit_callbacks
):
    case = finished_case(by, key)
    pause(case, by)
    assert (deliver(), selectors.due_deliveries(), len(server.requests)) == (0, [], 0)
    assert selectors.told_about(case.ref).waiting == 1
    assert selectors.unfinished_deliveries().waiting == 0  # nobody has to look for what is wrong
    with django_capture_on_commit_callbacks() as rung:
        resume(case, by)
    assert len(rung) == 2 + 1  # for the case, its mails, and the endpoint's first
    assert (deliver(), len(server.requests)) == (1, 1)


def test_paused_before_any_was_queued_they_come_when_somebody_goes_on(by, key, server):
    case = confirmed_case(by, key)
    pause(case, by)
    credentials.finish_revocation(revocation_id=case.pk, by=WORKER)
    assert not Delivery.objects.exists()
    resume(case, by)
    credentials.finish_revocation(revocation_id=case.pk, by=WORKER)
    assert (deliver(), len(server.requests)) == (1, 1)


def test_one_that_fails_while_it_is_held_stays_so(by, key, server):
    """A worker had it in hand when somebody paused."""
    case = finished_case(by, key)
    (delivery,) = Delivery.objects.all()
    attempt = delivering._take(delivery.pk)
    pause(case, by)
    delivering._write_down(attempt, Answer(503, ""))
    assert (deliver(), server.requests) == (0, [])
    resume(case, by)
    assert deliver() == 1


def test_events_about_anything_else_are_not_held(by, key, server):
    other = make_live_key(grant__application__organization=key.grant.organization)[0]
    case, another = finished_case(by, key), finished_case(by, other)
    pause(case, by)
    assert dict(Delivery.objects.values_list("about", "held")) == {
        case.ref: True,
        another.ref: False,
    }
    assert deliver() == 1


def test_a_pause_is_there_for_webhooks_alone(by, key, server):
    """The last mail has left, and a partner's machine does not answer yet."""
    case = finished_case(by, key)
    OutgoingMail.objects.update(sent_at=timezone.now())
    pause(case, by)
    case = again(case)
    assert heading(case, headway(case)) == "Telling is paused"
    assert deliver() == 0
    resume(case, by)
    assert (deliver(), len(server.requests)) == (1, 1)
    with pytest.raises(NotAllowed) as refused:
        pause(case, by)
    assert refused.value.code == "not_running"
