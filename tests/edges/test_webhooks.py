"""Pages about an organisation's webhooks, and the staff's."""

import re

import pytest
from django.utils import timezone

from portal.webhooks import signing
from portal.webhooks.models import Delivery, Endpoint
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import MembershipFactory, StaffFactory
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/in"


@pytest.fixture
def place(client):
    """An owner, signed in."""
    place = MembershipFactory()
    client.force_login(place.user)
    return place


def pages(organization, endpoint=None, delivery=None):
    base = f"/accounts/organizations/{organization.ref}/webhooks/"
    one = f"{base}{endpoint.ref}/" if endpoint else ""
    return {
        "list": base,
        "one": one,
        **{verb: f"{one}{verb}/" for verb in ("ping", "on", "off", "remove")},
        "resend": f"{one}deliveries/{delivery.ref}/resend/" if delivery else "",
    }


def test_an_owner_registers_tests_switches_and_removes(client, place):
    organization = place.organization
    home = f"/accounts/organizations/{organization.ref}/"
    assert f"{home}webhooks/" in client.get(home).content.decode()
    at = pages(organization)
    assert "No address is registered yet" in words(client.get(at["list"]))
    made = client.post(at["list"], {"url": URL})
    endpoint = Endpoint.objects.get()
    at = pages(organization, endpoint)
    assert (made.status_code, made.url, endpoint.url) == (302, at["one"], URL)
    assert client.post(at["ping"]).url == at["one"]
    delivery = Delivery.objects.get()
    page = client.get(at["one"])
    (key,) = signing.public_keys()
    assert (delivery.kind, delivery.ref in words(page), key in words(page)) == ("ping", True, True)
    assert client.post(at["off"]).url == at["one"]
    assert "Switched off by the organisation" in words(client.get(at["one"]))
    assert client.post(at["ping"], follow=True).status_code == 403
    assert client.post(at["on"]).url == at["one"]
    resend = pages(organization, endpoint, delivery)["resend"]
    assert f'action="{resend}"' in client.get(at["one"]).content.decode()
    assert client.post(resend).url == at["one"]
    assert Delivery.objects.get().state == "waiting"
    assert "Remove this endpoint?" in words(client.get(at["remove"]))
    assert client.post(at["remove"]).url == at["list"]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://hooks.example.org/", "The address must begin with https://."),
        ("https://10.0.0.1/", "This address is not on the open internet."),
        ("", "This field is required."),
    ],
)
def test_a_refusal_stands_beside_the_field_and_keeps_what_was_typed(client, place, url, says):
    answer = client.post(pages(place.organization)["list"], {"url": url})
    assert (answer.status_code, says in words(answer)) == (400, True)
    assert f'value="{url}"' in answer.content.decode() or not url


@pytest.mark.parametrize("who", ["member", "signing_official", "another's owner"])
def test_others_find_nothing_there(client, who):
    endpoint = EndpointFactory()
    delivery = DeliveryFactory(endpoint=endpoint, dead_at=timezone.now())
    ours = endpoint.organization
    place = MembershipFactory(role="owner" if "owner" in who else who)
    if "owner" not in who:
        place.organization = ours
        place.save()
    client.force_login(place.user)
    addresses = [path for path in pages(ours, endpoint, delivery).values() if path]
    posts = [client.post(path, {"url": URL}).status_code for path in addresses]
    assert (len(posts), set(posts)) == (7, {404})
    if "owner" not in who:
        home = client.get(f"/accounts/organizations/{ours.ref}/")
        assert (home.status_code, "Webhooks" in words(home)) == (200, False)


def test_another_s_endpoint_is_not_found_under_one_s_own_address(client, place):
    foreign = DeliveryFactory(dead_at=timezone.now())
    own = EndpointFactory(organization=place.organization, created_by=place.user)
    at = pages(place.organization, foreign.endpoint, foreign)
    found = [client.post(at[name]).status_code for name in at if name != "list"]
    assert (len(found), set(found)) == (6, {404})
    mixed = pages(place.organization, own, foreign)["resend"]
    assert client.post(mixed).status_code == 404


def test_staff_look_and_switch_off_with_a_confirm_page(client):
    endpoint = EndpointFactory()
    page = f"/admin/webhooks/endpoint/{endpoint.ref}/"
    client.force_login(StaffFactory(permissions=["webhooks.view_endpoint"]))
    assert endpoint.url in words(client.get(f"{page}change/"))
    assert [
        client.get(f"{page}disable/").status_code,
        client.post(f"{page}disable/").status_code,
    ] == [
        403,
        403,
    ]
    client.force_login(
        StaffFactory(permissions=["webhooks.view_endpoint", "webhooks.disable_endpoint"])
    )
    assert "cannot switch it on again" in words(client.get(f"{page}disable/"))
    assert client.post(f"{page}disable/").url == f"{page}change/"
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "by_staff"
    client.force_login(endpoint.created_by)
    shown = client.get(pages(endpoint.organization, endpoint)["one"])
    assert re.search(r"The programme switched it off\. Write to us", words(shown))
