"""Each level of freeze at two live web processes, with answers remembered: the next call knows."""

import pytest
from django.contrib.auth.models import Group

from portal.credentials.models import Freeze
from portal.credentials.services import ask_to_lift, keep_freeze, lift_freeze
from tests.factories.accounts import PASSWORD, OrganizationFactory, StaffFactory
from tests.factories.credentials import make_live_key
from tests.factories.freezes import TARGETS, place, responder
from tests.factories.gateway import basic, make_gateway
from tests.faults.gateways import Gateway
from tests.journeys.visitor import Visitor
from tests.processes import portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)
YES, NO = (True, 200), (False, 401)


@pytest.fixture(scope="module")
def portal(django_db_setup):
    with web("portal.wsgi:application", portal_environment()) as address:
        yield address


@pytest.fixture
def ask(portal):
    """Asks both doors about a key over one kept connection: (introspection, forward-auth)."""
    opened = []

    def ask_about(credential, token):
        release = credential.grant.phase.release
        registered, secret = make_gateway(release, name=release.slug)
        gateway = Gateway(portal, basic(registered.client_id, secret)).__enter__()
        opened.append(gateway)
        return lambda: (gateway.introspect(token), gateway.authorize(token))

    yield ask_about
    for gateway in opened:
        gateway.__exit__(None, None, None)


@pytest.fixture
def live():
    return make_live_key(grant__application__organization=OrganizationFactory())


@pytest.mark.parametrize("level", TARGETS)
def test_refused_at_the_next_call_and_working_again_once_lifted(ask, live, level):
    credential, token = live
    both, others = ask(credential, token), ask(*make_live_key())
    assert [both(), both(), others()] == [YES] * 3  # remembered by now
    freeze = place(level, TARGETS[level](credential))
    assert both() == NO
    assert others() == (NO if level == "everything" else YES)
    ask_to_lift(freeze_id=freeze.pk, by=responder())
    assert both() == NO
    keep_freeze(freeze_id=freeze.pk, by=responder())
    assert both() == NO
    ask_to_lift(freeze_id=freeze.pk, by=responder())
    lift_freeze(freeze_id=freeze.pk, by=responder())
    assert [both(), others()] == [YES] * 2
    credential.refresh_from_db()
    assert credential.status == "active"


def test_under_two_freezes_both_must_go(ask, live):
    both = ask(*live)
    freezes = [place("everything"), place("person", live[0].grant.holder.ref)]
    for freeze in freezes:
        assert both() == NO
        ask_to_lift(freeze_id=freeze.pk, by=responder())
        lift_freeze(freeze_id=freeze.pk, by=responder())
    assert both() == YES


def responders_at(portal, count):
    for _ in range(count):
        person = StaffFactory()
        person.groups.add(Group.objects.get(name="incident_responder"))
        browser = Visitor(portal).get("/accounts/login/")
        yield browser.send({"login": person.email, "password": PASSWORD})


def test_the_whole_story_in_two_browsers(portal, ask, live):
    """From the search to the lift, as people do it, with no worker and no broker."""
    credential, both = live[0], ask(*live)
    one, two = responders_at(portal, 2)
    assert both() == YES
    page = one.get("/admin/credentials/freeze/add/")
    page = page.send({"level": "person", "text": credential.grant.holder.email})
    page.send({"reason": "Seen in a dump."})
    assert both() == NO
    at = f"/admin/credentials/freeze/{Freeze.objects.get().ref}"
    one.get(f"{at}/ask_to_lift/").send({})
    assert both() == NO
    two.get(f"{at}/lift/").send({"password": PASSWORD}).send({})
    assert Freeze.objects.get().lifted_at
    assert both() == YES
