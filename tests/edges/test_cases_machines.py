"""What the page of a case, and its report, say of partners' machines that have to hear of it."""

import ipaddress
import json

import pytest
from django.utils import timezone

from portal.webhooks import services as webhooks
from portal.webhooks.models import Delivery
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import OrganizationFactory
from tests.factories.cases import confirmed_case, finished_case
from tests.factories.credentials import make_live_key
from tests.factories.reviews import staff
from tests.factories.webhooks import OK, EndpointFactory, answering, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )


@pytest.fixture
def who():
    return staff("incident_responder")


@pytest.fixture
def partner():
    return OrganizationFactory(name="Northern Light")


@pytest.fixture
def key(partner):
    return make_live_key(grant__application__organization=partner)[0]


def page_of(client, case):
    return words(client.get(f"/admin/credentials/revocation/{case.ref}/change/"))


def report_of(client, case):
    report = client.get(f"/admin/credentials/revocation/{case.ref}/report.json").content
    return json.loads(report)["told"]["webhooks"]


def deliver():
    Delivery.objects.update(next_attempt_at=timezone.now())
    for pk in Delivery.objects.order_by("pk").values_list("pk", flat=True):
        webhooks.deliver_event(delivery_id=pk)


@pytest.mark.parametrize("role", ["incident_responder", "auditor"])
def test_the_page_and_the_report_follow_until_the_last_has_arrived(client, who, partner, key, role):
    client.force_login(staff(role))
    with receiver() as good, receiver(answering(503)) as bad:
        for server in (good, bad):
            EndpointFactory(organization=partner, url=server.url)
        case = finished_case(who, key)
        assert "Webhooks delivered 0 of 2 Webhooks waiting 2" in page_of(client, case)
        assert "Webhooks that have not arrived" not in page_of(client, case)
        deliver()
        page, told = page_of(client, case), report_of(client, case)
        assert "Webhooks delivered 1 of 2 Webhooks waiting 1" in page
        failing = Delivery.objects.get(delivered_at=None)
        assert f"Northern Light localhost {failing.ref} Waiting 1 HTTP 503" in page
        assert "/in?a=1" not in page
        assert told == {
            "total": 2,
            "delivered": 1,
            "waiting": 1,
            "given_up": 0,
            "failing": [
                {
                    "partner": partner.ref,
                    "endpoint": failing.endpoint.ref,
                    "host": "localhost",
                    "state": "waiting",
                    "attempts": 1,
                    "last_error": "HTTP 503",
                    "next_attempt_at": failing.next_attempt_at.isoformat(),
                }
            ],
        }
        bad.answer = OK
        deliver()
    page = page_of(client, case)
    assert "Webhooks delivered 2 of 2" in page
    assert "Webhooks that have not arrived" not in page
    assert report_of(client, case)["failing"] == []


def test_an_endpoint_that_was_switched_off_stands_there_with_why(client, who, partner, key):
    client.force_login(who)
    with receiver(answering(410)) as server:
        EndpointFactory(organization=partner, url=server.url)
        case = finished_case(who, key)
        deliver()
    page = page_of(client, case)
    assert "Webhooks given up 1" in page
    assert "Given up Switched off: the address answered 410 Gone" in page
    assert [each["state"] for each in report_of(client, case)["failing"]] == ["given_up"]


def test_other_cases_and_partners_without_machines_have_nothing_to_show(client, who, partner, key):
    client.force_login(who)
    EndpointFactory(organization=partner)
    other, _token = make_live_key()
    case = finished_case(who, other)
    confirmed_case(who, key)
    assert "Webhooks delivered" not in page_of(client, case)
    assert report_of(client, case)["total"] == 0
