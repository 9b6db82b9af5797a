"""From the lists of organisations and phases to a case about their keys."""

import pytest

from accounts.models import Organization
from portal.credentials import services
from portal.credentials.models import Revocation
from portal.credentials.verification import explain
from portal.programs.models import RolloutPhase
from tests.factories.accounts import OrganizationFactory
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import make_live_key
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.reviews import staff

pytestmark = pytest.mark.django_db
NEW_CASE = "/admin/credentials/revocation/add/"
LISTS = {
    "/admin/accounts/organization/": Organization,
    "/admin/programs/rolloutphase/": RolloutPhase,
}
ACTION = "revoke_keys_of_selected"


@pytest.fixture(params=LISTS)
def address(request):
    return request.param


@pytest.fixture
def things(address):
    """Two of them with a key each, and one with none."""
    if LISTS[address] is Organization:
        return [OrganizationFactory() for _ in range(3)]
    return [RolloutPhaseFactory() for _ in range(3)]


@pytest.fixture
def keys(things):
    given = "organization" if isinstance(things[0], Organization) else "phase"
    return [
        make_live_key(grant__application=ApplicationFactory(status="granted", **{given: thing}))[0]
        for thing in things[:2]
    ]


@pytest.fixture
def desk(client):
    client.force_login(staff("incident_responder"))
    return client


def tick(client, address, rows, **options):
    ticked = {"action": ACTION, "_selected_action": [row.pk for row in rows]}
    return client.post(address, ticked, **options)


def test_one_is_named_to_the_page_that_begins_a_case(desk, address, things, keys):
    page = tick(desk, address, things[:1], follow=True)
    assert page.request["PATH_INFO"] == NEW_CASE
    form = page.context["form"]
    name = "organization" if LISTS[address] is Organization else "phase"
    assert (form[name].value(), form["kids"].value()) == (things[0].ref, None)
    asked = {"title": "A dump", "severity": "high", "reason": "incident", name: things[0].ref}
    desk.post(NEW_CASE, asked)
    case = Revocation.objects.get()
    assert [item.credential for item in case.items.all()] == keys[:1]


def test_of_several_the_live_keys_are_carried(desk, address, things, keys):
    form = tick(desk, address, things).context["form"]
    assert set(form["kids"].value().split()) == {key.kid for key in keys}
    assert not Revocation.objects.exists()


def test_of_several_it_is_said_that_keys_to_come_are_not_meant(desk, address, things, keys):
    said = "Keys that come later are not meant"
    noun = "organisations" if LISTS[address] is Organization else "rollout phases"
    page = tick(desk, address, things[:2]).text
    assert f"These are the keys that the {noun} you ticked have now. {said}" in page
    assert said not in tick(desk, address, things[:1], follow=True).text
    assert said not in tick(desk, address, things[2:], follow=True).text


def test_keys_that_come_to_several_later_do_not_stop_their_case(desk, address, things, keys):
    """What the page says, held against what happens."""
    kids = tick(desk, address, things).context["form"]["kids"].value()
    asked = {"title": "A dump", "severity": "high", "reason": "incident", "kids": kids}
    desk.post(NEW_CASE, asked)
    given = "organization" if LISTS[address] is Organization else "phase"
    application = ApplicationFactory(status="granted", **{given: things[0]})
    later = make_live_key(grant__application=application)[0]
    case = Revocation.objects.get()
    services.start_revocation(
        revocation_id=case.pk,
        digest=case.digest,
        typed_count=str(case.count),
        typed_word=services.word_of(case.digest),
        by=staff("incident_responder"),
    )
    assert not explain(keys[0].kid)
    assert explain(later.kid)


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
