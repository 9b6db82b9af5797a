"""Staff register, replace and disable; a secret is shown once."""

import re

import pytest

from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from tests.factories.accounts import UserFactory
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.log import events_about

pytestmark = pytest.mark.django_db
LIST = "/admin/gateway/gateway/"


@pytest.fixture
def release():
    return ModelReleaseFactory(audience="https://model.example.org")


@pytest.fixture
def gateway(release):
    return make_gateway(release, name="Edge")


@pytest.fixture
def staff(client):
    client.force_login(UserFactory(is_staff=True, permissions=["gateway.manage_gateways"]))
    return client


@pytest.fixture
def powerless(client):
    client.force_login(UserFactory(is_staff=True))
    return client


def shown(response):
    (secret,) = re.findall(r"tpg_[0-9A-Za-z]{43}", response.text)
    return secret


def test_registering_shows_the_secret_once(staff, release):
    assert "Register and show the secret" in staff.get(f"{LIST}add/").text
    response = staff.post(f"{LIST}add/", {"name": "Edge", "release": release.pk})
    assert (response.status_code, "no-store" in response["Cache-Control"]) == (200, True)
    gateway = Gateway.objects.get()
    caller = authenticate(basic(gateway.client_id, shown(response)))
    assert (caller.audience, caller.sandbox) == ("https://model.example.org", False)
    page = staff.get(f"{LIST}{gateway.client_id}/change/")
    assert gateway.client_id in page.text
    assert "tpg_" not in page.text
    assert "tpg_" not in staff.get(LIST).text


def test_a_sandbox_is_registered_as_one(staff, release):
    given = {"name": "Try-out", "release": release.pk, "sandbox": "on"}
    response = staff.post(f"{LIST}add/", given)
    gateway = Gateway.objects.get()
    assert authenticate(basic(gateway.client_id, shown(response))).sandbox


def test_a_reload_does_not_register_twice(staff, release):
    for _ in range(2):
        response = staff.post(f"{LIST}add/", {"name": "Edge", "release": release.pk})
    assert "choose another" in response.text
    assert "tpg_" not in response.text
    assert Gateway.objects.count() == 1


def test_a_form_not_filled_in_says_so(staff):
    response = staff.post(f"{LIST}add/", {"name": "Edge", "release": ""})
    assert "This field is required." in response.text
    assert Gateway.objects.count() == 0


def test_replacing_the_secret(staff, gateway):
    row, old = gateway
    address = f"{LIST}{row.client_id}/rotate/"
    assert "stops working at once" in staff.get(address).text
    assert authenticate(basic(row.client_id, old))
    response = staff.post(address)
    assert "no-store" in response["Cache-Control"]
    assert authenticate(basic(row.client_id, old)) is None
    assert authenticate(basic(row.client_id, shown(response)))


def test_disabling(staff, gateway):
    row, secret = gateway
    address = f"{LIST}{row.client_id}/disable/"
    assert "cannot be undone" in staff.get(address).text
    assert authenticate(basic(row.client_id, secret))
    response = staff.post(address, follow=True)
    assert "is disabled: it is refused from now on" in response.text
    assert authenticate(basic(row.client_id, secret)) is None
    for verb in ("rotate", "disable"):
        again = staff.post(f"{LIST}{row.client_id}/{verb}/", follow=True)
        assert "disabled for good" in again.text
        assert "tpg_" not in again.text
    assert len(events_about(row.client_id)) == 2


@pytest.mark.parametrize("verb", ["rotate", "disable"])
def test_without_the_permission(powerless, gateway, verb):
    row, secret = gateway
    for address in (f"{LIST}add/", f"{LIST}{row.client_id}/{verb}/", LIST):
        assert powerless.get(address).status_code == 403
        assert powerless.post(address).status_code == 403
    assert authenticate(basic(row.client_id, secret))
    assert Gateway.objects.count() == 1


def test_no_gateway_is_edited_or_deleted(staff, gateway):
    row, _ = gateway
    assert staff.post(f"{LIST}{row.client_id}/change/", {"name": "Other"}).status_code == 403
    assert staff.post(f"{LIST}{row.client_id}/delete/", {"post": "yes"}).status_code == 403
    assert Gateway.objects.get().name == "Edge"
