"""From the lists of organisations, phases and releases to a case about their keys."""

import html

import pytest

from accounts.models import Organization
from portal.credentials import services
from portal.credentials.models import Credential, Revocation
from portal.credentials.targets import barred_grants
from portal.credentials.verification import explain
from portal.errors import Conflict
from portal.programs.models import ModelRelease, RolloutPhase
from tests.factories.accounts import OrganizationFactory
from tests.factories.applications import ApplicationFactory
from tests.factories.cases import typed
from tests.factories.credentials import make_live_key
from tests.factories.programs import ModelReleaseFactory, RolloutPhaseFactory
from tests.factories.reviews import staff

pytestmark = pytest.mark.django_db
CASES = "/admin/credentials/revocation/"
NEW_CASE = f"{CASES}add/"
LISTS = {
    "/admin/accounts/organization/": Organization,
    "/admin/programs/rolloutphase/": RolloutPhase,
    "/admin/programs/modelrelease/": ModelRelease,
}
NAMES = {Organization: "organization", RolloutPhase: "phase", ModelRelease: "release"}
ACTION = "revoke_keys_of_selected"


@pytest.fixture(params=LISTS)
def address(request):
    return request.param


@pytest.fixture
def things(address):
    """Two of them with a key each, and one with none."""
    make = {
        Organization: OrganizationFactory,
        RolloutPhase: RolloutPhaseFactory,
        ModelRelease: ModelReleaseFactory,
    }[LISTS[address]]
    return [make() for _ in range(3)]


@pytest.fixture
def name(address):
    """What a case calls one of them."""
    return NAMES[LISTS[address]]


@pytest.fixture
def keys(name, things):
    return [key_under(name, thing) for thing in things[:2]]


def key_under(name, thing):
    at = {"phase__release": thing} if name == "release" else {name: thing}
    return make_live_key(grant__application=ApplicationFactory(status="granted", **at))[0]


@pytest.fixture
def desk(client):
    client.force_login(staff("incident_responder"))
    return client


def tick(client, address, rows, **options):
    ticked = {"action": ACTION, "_selected_action": [row.pk for row in rows]}
    return client.post(address, ticked, **options)


def filled(form, name):
    """What a field begins with, as a list."""
    value = form[name].value()
    return value.split("; ") if isinstance(value, str) else value


def preview(desk, criteria):
    asked = {"title": "A dump", "severity": "high", "reason": "incident"}
    assert desk.post(NEW_CASE, asked | criteria).status_code == 302


def confirm(case, by):
    services.start_revocation(revocation_id=case.pk, by=by, **typed(case))


def test_one_is_named_to_the_page_that_begins_a_case(desk, address, name, things, keys):
    page = tick(desk, address, things[:1], follow=True)
    assert page.request["PATH_INFO"] == NEW_CASE
    form = page.context["form"]
    assert (filled(form, name), form["kids"].value()) == ([things[0].ref], None)
    preview(desk, {name: things[0].ref})
    case = Revocation.objects.get()
    assert [item.credential for item in case.items.all()] == keys[:1]


def test_several_are_named_and_not_their_keys_of_now(desk, address, name, things, keys):
    form = tick(desk, address, things[:2]).context["form"]
    assert (filled(form, name), form["kids"].value()) == ([each.ref for each in things[:2]], None)
    assert not Revocation.objects.exists()
    preview(desk, {name: form[name].value()})
    case = Revocation.objects.get()
    assert {item.credential for item in case.items.all()} == set(keys)
    assert case.selector == {name: [each.ref for each in things[:2]]}
    page = desk.get(f"{CASES}{case.ref}/change/").text
    told = " or ".join(f"{each} {each.ref}" for each in things[:2])
    assert told in html.unescape(page)
    again = desk.get(f"{NEW_CASE}?again={case.ref}").context["form"]
    assert filled(again, name) == [each.ref for each in things[:2]]


def test_a_key_that_comes_to_one_of_several_stops_their_case_until_it_is_looked_at(
    desk, address, name, things, keys
):
    preview(desk, {name: tick(desk, address, things).context["form"][name].value()})
    later = key_under(name, things[2])
    by = staff("incident_responder")
    with pytest.raises(Conflict, match="1 more key came to life"):
        confirm(Revocation.objects.get(), by)
    assert explain(keys[0].kid)
    case = Revocation.objects.get()
    preview(desk, {name: desk.get(f"{NEW_CASE}?again={case.ref}").context["form"][name].value()})
    confirm(Revocation.objects.latest("pk"), by)
    assert not any(explain(key.kid) for key in (*keys, later))


def test_no_key_grows_under_any_of_several_once_they_are_confirmed(
    desk, address, name, things, keys
):
    """Nor under the grant of one that had none."""
    idle = key_under(name, things[1])
    Credential.objects.filter(pk=idle.pk).update(status="expired")
    stranger = make_live_key()[0]
    preview(desk, {name: tick(desk, address, things[:2]).context["form"][name].value()})
    confirm(Revocation.objects.get(), staff("incident_responder"))
    grants = [each.grant for each in (*keys, idle, stranger)]
    assert barred_grants(grants) == {each.pk for each in grants[:3]}


def test_without_a_live_key_there_is_nothing_to_revoke(desk, address, things):
    assert "there is nothing to revoke" in tick(desk, address, things, follow=True).text


def test_only_who_may_open_a_case_is_offered_it(client, address, things, keys):
    offered = {}
    roles = ("incident_responder", "programme_manager", "auditor")
    for role in roles:
        client.force_login(staff(role))
        offered[role] = ACTION in client.get(address).text
    assert offered == {role: role == "incident_responder" for role in roles}


@pytest.mark.parametrize("role", ["programme_manager", "auditor"])
def test_who_may_not_gets_nowhere_with_it(client, address, things, keys, role):
    client.force_login(staff(role))
    told = tick(client, address, things, follow=True)
    assert told.request["PATH_INFO"] == address
    assert "kids" not in told.text
    assert client.get(f"{NEW_CASE}?organization={things[0].ref}").status_code == 403
