"""The page of a case for people whose keys it stopped, and staff's page of what they wrote."""

import re

import pytest

from portal.credentials import services
from portal.credentials.models import CaseMessage
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import finished_case, reissued
from tests.factories.credentials import make_live_key
from tests.factories.reviews import staff
from tests.factories.stories import responder
from tests.queries import statements

pytestmark = pytest.mark.django_db


# The address itself, the request's id, and what is made anew for each form.
VARIES = r'CASE-\w+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|(?<=name="csrfmiddlewaretoken" value=")\w+'


@pytest.fixture
def by():
    return responder()


@pytest.fixture
def key():
    return make_live_key(name="Night service")[0]


@pytest.fixture
def case(key, by):
    return finished_case(by, key, make_live_key()[0], note="Somebody sold them.")


def at(case):
    return f"/access/cases/{case.ref}/"


def desk_of(case):
    return f"/admin/credentials/revocation/{case.ref}/answers/"


def asked(case, person, body="Was it us?"):
    return services.write_about_case(revocation_id=case.pk, body=body, by=person)


def answer(message, act, body=""):
    who = message.thread.person.ref
    return {"who": who, "seen": message.ref, "act": act, "body": body}


# --- Theirs ------------------------------------------------------------------------------------
def test_it_says_what_happened_to_which_keys_and_what_to_do(client, key, case, by):
    client.force_login(key.grant.holder)
    page = client.get(at(case)).text
    for words in ("We stopped one of your keys", key.kid, "Night service", "Security incident"):
        assert words in page
    assert "New keys come when we know" in page
    other = case.items.exclude(credential=key).get().credential
    for hidden in (other.kid, other.grant.ref, "sold", by.email, case.digest):
        assert hidden not in page
    reissued(case, by)
    assert "claim it on the access page" in client.get(at(case)).text
    slot = key.grant.credentials.get(status="ready")
    services.claim_credential(kid=slot.kid, by=key.grant.holder)
    assert "You have keys that were not stopped" in client.get(at(case)).text


def test_whoever_looks_after_the_keys_sees_them_all(client, by):
    partner = OrganizationFactory()
    keys = [make_live_key(grant__organization=partner)[0] for _ in range(2)]
    contact = MembershipFactory(organization=partner, role="technical_contact").user
    case = finished_case(by, *keys)
    client.force_login(contact)
    page = client.get(at(case)).text
    assert all(key.kid in page for key in keys)
    client.force_login(keys[0].grant.holder)
    page = client.get(at(case)).text
    assert [key.kid in page for key in keys] == [True, False]


def test_the_access_page_says_that_it_happened_and_leads_there(client, key, case, by):
    client.force_login(key.grant.holder)
    words = ("No key works: we revoked it", "You are mailed when you can claim a new one", at(case))
    page = client.get("/access/").text
    assert [page.count(each) for each in words] == [1, 1, 2]
    assert "Write to us about another" not in page  # the way there is one, and it is named
    reissued(case, by)
    page = client.get("/access/").text  # among past keys it goes on leading there
    assert [page.count(each) for each in words] == [0, 0, 1]


def test_a_key_that_its_holder_revoked_leads_to_no_case(client, key):
    services.revoke_credential(kid=key.kid, by=key.grant.holder, reason="no_longer_needed")
    client.force_login(key.grant.holder)
    page = client.get("/access/").text
    assert ("No key works" in page, "/access/cases/" in page) == (False, False)


def test_for_others_there_is_no_such_page(client, case, by):
    none = "/access/cases/CASE-7K3M9Q/"
    for person in (UserFactory(), by, staff("incident_responder")):
        client.force_login(person)
        for ask in (client.get, client.post):
            answers = [ask(url) for url in (at(case), none)]
            assert [each.status_code for each in answers] == [404, 404]
            texts = {re.sub(VARIES, "", each.text) for each in answers}
            assert len(texts) == 1
    assert not CaseMessage.objects.exists()


@pytest.mark.parametrize(
    "odd", ["%00", "CASE-%00AAAAAA", "case-7k3m9q", "CASE-ÉÉÉÉÉÉ", "CASE-7K3M9Q%0a"]
)
def test_odd_addresses_are_not_found(client, key, odd):
    client.force_login(key.grant.holder)
    assert client.get(f"/access/cases/{odd}/").status_code == 404
    client.force_login(staff("incident_responder"))
    assert client.get(f"/admin/credentials/revocation/{odd}/answers/").status_code == 404


def test_writing(client, key, case, mailoutbox):
    client.force_login(key.grant.holder)
    done = client.post(at(case), {"body": "Was it <b>us</b>?"}, follow=True)
    assert done.redirect_chain == [(at(case), 302)]
    assert "Your message is sent." in done.text
    assert "Was it &lt;b&gt;us&lt;/b&gt;?" in done.text
    for body in ("", "x" * 5001, "a\x00b"):
        refused = client.post(at(case), {"body": body})
        assert refused.status_code == 400
    assert "Write something first." in client.post(at(case), {"body": " "}).text
    assert CaseMessage.objects.count() == 1


def test_writing_is_limited(client, key, case):
    client.force_login(key.grant.holder)
    codes = [client.post(at(case), {"body": f"{n}"}).status_code for n in range(21)]
    assert codes == [302] * 20 + [429]
    assert CaseMessage.objects.count() == 20


# --- Staff's -----------------------------------------------------------------------------------
@pytest.fixture
def desk(client):
    client.force_login(staff("incident_responder"))
    return client


def test_the_case_says_what_is_unread_and_the_thread_is_answered(desk, client, key, case):
    page = f"/admin/credentials/revocation/{case.ref}/change/"
    assert "Nobody has written yet." in desk.get(page).text
    message = asked(case, key.grant.holder)
    assert "(1 unread)" in desk.get(page).text
    assert "Was it us?" in desk.get(desk_of(case)).text
    done = desk.post(desk_of(case), answer(message, "reply", "No, it was not."), follow=True)
    assert "Sent. A mail tells them" in done.text
    assert "unread)" not in desk.get(page).text
    client.force_login(key.grant.holder)
    mine = client.get(at(case)).text
    assert "No, it was not." in mine
    assert "Our team" in mine


def test_unread_first_and_one_alone(desk, case):
    people = [item.credential.grant.holder for item in case.items.all()]
    first, _second = (asked(case, person) for person in people)
    desk.post(desk_of(case), answer(first, "handled"))
    refs = re.findall(r'<section[^>]* id="(USR-\w+)"', desk.get(desk_of(case)).text)
    assert refs == [people[1].ref, people[0].ref]
    alone = desk.get(f"{desk_of(case)}?who={people[0].ref}").text
    assert (f'id="{people[0].ref}"' in alone, f'id="{people[1].ref}"' in alone) == (True, False)
    for odd in ("nobody", "USR-000000"):
        assert desk.get(f"{desk_of(case)}?who={odd}").status_code == 200


def test_what_was_typed_is_kept_when_something_came_meanwhile(desk, key, case):
    old = asked(case, key.grant.holder)
    new = asked(case, key.grant.holder, "We have found it.")
    refused = desk.post(desk_of(case), answer(old, "reply", "Please look again."))
    assert refused.status_code == 409
    for words in ("There is a newer message", "We have found it.", "Please look again."):
        assert words in refused.text
    assert f'value="{new.ref}"' in refused.text
    assert CaseMessage.objects.filter(from_staff=True).count() == 0
    desk.post(desk_of(case), answer(old, "handled"))
    assert "Unread" in desk.get(desk_of(case)).text
    empty = desk.post(desk_of(case), answer(new, "reply"))
    assert (empty.status_code, "Write between 1 and 5,000" in empty.text) == (400, True)


@pytest.mark.parametrize(
    "wrong", [{"act": "burn"}, {"seen": "MSG-000000"}, {"seen": "\x00"}, {"who": "USR-000000"}]
)
def test_forged_forms_change_nothing(desk, key, case, wrong):
    message = asked(case, key.grant.holder)
    assert desk.post(desk_of(case), answer(message, "reply", "Hello") | wrong).status_code in (
        *(400, 404, 409),
    )
    assert CaseMessage.objects.count() == 1


def test_auditors_read_and_do_nothing(client, key, case):
    message = asked(case, key.grant.holder)
    client.force_login(staff("auditor"))
    page = client.get(desk_of(case)).text
    assert ("Was it us?" in page, "Send reply" in page) == (True, False)
    assert client.post(desk_of(case), answer(message, "handled")).status_code == 403
    client.force_login(staff("reviewer"))
    assert client.get(desk_of(case)).status_code == 403


def test_the_pages_cost_the_same_however_much_is_written(desk, case):
    people = [item.credential.grant.holder for item in case.items.all()]
    asked(case, people[0])
    few = statements(desk, desk_of(case))
    for person in people * 4:
        asked(case, person)
    assert statements(desk, desk_of(case)) == few
