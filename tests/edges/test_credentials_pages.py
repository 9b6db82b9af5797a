"""The holder's pages: access, claiming once, offers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.enums import MemberRole
from portal.credentials import secrets, services
from portal.credentials.models import Credential
from portal.credentials.services import (
    issue_credential,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import explain, verify
from portal.mail.models import OutgoingMail
from portal.programs.services import halt_phase, publish_agreement
from tests.edges.keys import ANY_KEY, claim_page, revoke_page
from tests.factories import stories
from tests.factories.accounts import (
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
    sign_in,
)
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.queries import statements

pytestmark = pytest.mark.django_db

# --- Access -----------------------------------------------------------------------------------


def test_desired_and_enforced_stand_side_by_side(client, person):
    key, _token = stories.claimed(by=person)
    [holding] = client.get("/access/").context["holdings"]
    [shown] = holding.keys
    assert (shown.credential, bool(shown.verdict), holding.blocked) == (key, True, None)
    halt_phase(phase_id=key.grant.phase.pk, by=stories.manager())
    page = client.get("/access/")
    [holding] = page.context["holdings"]
    assert holding.blocked.verdict == explain(key.kid)
    text = page.content.decode()
    assert "Granted, but blocked now" in text
    assert "phase_halted" in text


def test_new_terms_block_and_lead_to_signing(client, person):
    key, _token = stories.claimed(by=person)
    release = key.grant.phase.release
    publish_agreement(release_id=release.pk, title="T", text="New.", by=stories.manager())
    assert f"/programmes/{release.slug}/terms/" in client.get("/access/").content.decode()


def test_while_a_key_is_prepared_the_page_asks_again(client, person):
    grant = stories.opened(by=person)
    text = client.get("/access/").content.decode()
    assert 'hx-trigger="every 2s"' in text
    assert "Your key is being prepared" in text
    issue_credential(grant_id=grant.pk, by=stories.WORKER)
    text = client.get("/access/").content.decode()
    assert "hx-trigger" not in text
    assert claim_page(grant.credentials.get()) in text


def test_contacts_of_the_organisation_claim_and_revoke_but_give_nothing_up(client, fresh):
    partner = OrganizationFactory()
    slot = CredentialFactory(grant__application__organization=partner)
    MembershipFactory(user=fresh, organization=partner, role=MemberRole.TECHNICAL_CONTACT)
    text = client.get("/access/").content.decode()
    assert claim_page(slot) in text
    give_up = f"/access/grants/{slot.grant.ref}/give-up/"
    assert give_up not in text
    assert client.post(give_up).status_code == 403
    assert client.get(f"/applications/{slot.grant.application.ref}/").status_code == 404
    [token] = set(ANY_KEY.findall(client.post(claim_page(slot)).content.decode()))
    assert secrets.parse(token) == slot.kid
    assert str(fresh) in client.get("/access/").content.decode()  # who claimed it
    assert client.post(revoke_page(slot), {"reason": "holder_left"}).url == "/access/"
    assert stories.again(slot).status == "revoked"


@pytest.mark.parametrize("role", [None, MemberRole.MEMBER, MemberRole.SIGNING_OFFICIAL])
def test_others_grants_and_keys_do_not_exist(client, fresh, role):
    partner = OrganizationFactory()
    slot = CredentialFactory(grant__application__organization=partner)
    if role:
        MembershipFactory(user=fresh, organization=partner, role=role)
    assert client.get("/access/").context["holdings"] == []
    for page in (claim_page(slot), revoke_page(slot), f"/access/grants/{slot.grant.ref}/give-up/"):
        assert client.get(page).status_code == 404
        assert client.post(page, {"reason": "key_leaked"}).status_code == 404
    assert client.post(f"/access/grants/{slot.grant.ref}/keys/").status_code == 404
    assert stories.again(slot).status == "ready"


@pytest.mark.parametrize("path", ["/access/", "/access/check/", "/access/offers/APP-99999999/"])
def test_strangers_are_sent_to_sign_in(client, path):
    assert client.get(path).url == f"/accounts/login/?next={path}"


def test_access_is_paged_and_costs_the_same_however_many_keys(client, person):
    make_live_key(grant=GrantFactory(holder=person))
    before = statements(client, "/access/")
    for _ in range(10):
        grant = GrantFactory(holder=person)
        make_live_key(grant=grant)
        CredentialFactory(grant=grant)
    assert statements(client, "/access/") == before
    assert len(client.get("/access/").context["holdings"]) == 10
    assert len(client.get("/access/?page=2").context["holdings"]) == 1


# --- Check my access --------------------------------------------------------------------------


def test_check_explains_by_the_one_decision(client, person):
    key, _token = stories.claimed(by=person)
    assert client.get("/access/check/").status_code == 200
    allowed = client.get("/access/check/", {"kid": key.kid, "scope": stories.STANDARD})
    assert bool(allowed.context["verdict"])
    refused = client.get("/access/check/", {"kid": key.kid, "scope": stories.CRITICAL})
    assert refused.context["verdict"].code == "scope_not_held"
    assert "scope_not_held" in refused.content.decode()
    assert "Ask for this capability" in refused.content.decode()


def test_check_knows_nothing_of_others_keys(client, person):
    key, token = stories.claimed()
    for kid, status in ((key.kid, 200), (token, 200), ("", 200), ("\0", 400)):
        page = client.get("/access/check/", {"kid": kid})
        assert page.status_code == status
        assert "verdict" not in page.context
        assert token not in page.content.decode()


# --- Claiming ---------------------------------------------------------------------------------


def test_claiming_wants_a_fresh_sign_in(client):
    user = PersonFactory()
    sign_in(client, user)
    slot = stories.ready(by=user)
    for answer in (client.get(claim_page(slot)), client.post(claim_page(slot))):
        assert answer.url.startswith("/accounts/reauthenticate/?next=")
    assert stories.again(slot).status == "ready"


def test_the_key_is_in_one_answer_and_nowhere_else(client, fresh, settings, caplog):
    settings.SANDBOX_URL = "http://127.0.0.1:8001"
    slot = stories.ready(by=fresh)
    page = claim_page(slot)
    assert "Before you do" in client.get(page).content.decode()
    answer = client.post(page, {"name": "Build server"})
    text = answer.content.decode()
    [token] = set(ANY_KEY.findall(text))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert text.count(token) == 2  # the key, and the line to paste
    audience = slot.grant.phase.release.audience
    assert bool(verify(token, audience=audience, scope=stories.STANDARD).verdict)
    assert stories.again(slot).name == "Build server"
    kept = [str(dict(client.session)), str(client.cookies), caplog.text, str(answer.headers)]
    kept += [str(mail.context) for mail in OutgoingMail.objects.all()]
    kept += [client.get(path).content.decode() for path in ("/access/", page)]
    assert [place for place in kept if token in place or token[26:] in place] == []


def test_the_line_to_paste_names_address_key_and_body(client, fresh, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:8001/"
    slot = stories.ready(by=fresh)
    page = client.post(claim_page(slot))
    token, curl = page.context["token"], page.context["curl"]
    assert curl == (
        "curl http://127.0.0.1:8001/sandbox/v1/responses \\\n"
        f"  -H 'Authorization: Bearer {token}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"""  -d '{{"model": "{slot.grant.phase.release.slug}", "input": "Hello"}}'"""
    )


def test_the_line_names_a_capability_where_the_usual_one_is_not_held(client, fresh):
    slot = stories.ready(by=fresh, scopes=[stories.ELEVATED])
    curl = client.post(claim_page(slot)).context["curl"]
    assert f'"capability": "{stories.ELEVATED}"' in curl


def test_without_a_sandbox_there_is_no_line(client, fresh, settings):
    settings.SANDBOX_URL = ""
    page = client.post(claim_page(stories.ready(by=fresh)))
    assert page.context["curl"] == ""
    assert "curl" not in page.content.decode()


def test_sent_again_it_is_refused_and_the_holder_told(client, fresh):
    slot = stories.ready(by=fresh)
    token = client.post(claim_page(slot)).context["token"]
    again = client.post(claim_page(slot))
    assert again.status_code == 409
    assert token not in again.content.decode()
    assert "cannot be claimed now" in client.get(claim_page(slot)).content.decode()
    told = OutgoingMail.objects.filter(template="credentials/second_claim_refused")
    assert told.count() == 1


def test_a_slot_that_a_case_holds_is_offered_to_nobody(client, fresh):
    slot, by = stories.ready(by=fresh), stories.responder()
    case = services.preview_revocation(
        selector=Selector(kids=slot.kid), reason="incident", note="", by=by
    )
    assert claim_page(slot) in client.get("/access/").text
    services.contain_revocation(revocation_id=case.pk, by=by)
    page = client.get("/access/").text
    assert claim_page(slot) not in page
    assert "it works once it is claimed" not in page
    for said in (page, client.get(claim_page(slot)).text):
        assert "The programme has revoked or paused this key, so it cannot be claimed." in said
    assert client.post(claim_page(slot)).status_code == 403


def test_a_slot_that_ran_out_is_explained_and_not_claimed(client, fresh):
    slot = stories.ready(by=fresh)
    Credential.objects.filter(pk=slot.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "not claimed in time" in client.get(claim_page(slot)).content.decode()
    assert client.post(claim_page(slot)).status_code == 403
    assert client.post(claim_page(slot), {"name": "x" * 101}).status_code == 400
    assert stories.again(slot).digest is None


@pytest.mark.parametrize("kid", ["short", "0" * 17, "%00" * 16, "0" * 16])
def test_what_is_no_key_does_not_exist(client, fresh, kid):
    assert client.get(f"/access/keys/{kid}/claim/").status_code == 404


def boxes(page):
    """(scope, whether it is ticked) of the page's form."""
    return [(box.data["value"], box.data["selected"]) for box in page.context["form"]["scopes"]]


def test_what_the_key_may_do_is_chosen_from_what_was_granted(client, fresh):
    slot = stories.ready(by=fresh, scopes=[stories.STANDARD, stories.ELEVATED])
    page = claim_page(slot)
    assert boxes(client.get(page)) == [(stories.ELEVATED, True), (stories.STANDARD, True)]
    for wrong in ([], [stories.CRITICAL], [stories.STANDARD, "model:*"]):
        refused = client.post(page, {"name": "Build server", "scopes": wrong})
        assert (refused.status_code, refused.context["form"].errors.keys()) == (400, {"scopes"})
        assert 'value="Build server"' in refused.content.decode()
    assert stories.again(slot).status == "ready"
    answer = client.post(page, {"scopes": [stories.ELEVATED]})
    assert f'"capability": "{stories.ELEVATED}"' in answer.context["curl"]
    assert stories.again(slot).scopes == [stories.ELEVATED]


def test_where_there_is_one_thing_to_do_there_is_nothing_to_choose(client, fresh):
    slot = stories.ready(by=fresh)
    assert "scopes" not in client.get(claim_page(slot)).context["form"].fields
    client.post(claim_page(slot), {"scopes": [stories.CRITICAL]})
    assert stories.again(slot).scopes == [stories.STANDARD]


# --- Offers -----------------------------------------------------------------------------------


@pytest.fixture
def offered(person):
    """Approved after the terms had changed: they are to be signed first."""
    application = stories.reviewed(by=person)
    publish_agreement(
        release_id=application.phase.release.pk, title="T", text="New.", by=stories.manager()
    )
    return stories.approve(application)


def test_an_offer_is_taken_by_signing(client, offered):
    page = f"/access/offers/{offered.ref}/"
    terms = offered.phase.release.agreements.first()
    text = client.get(page).content.decode()
    assert terms.sha256 in text
    for place in (f"/applications/{offered.ref}/", "/access/"):
        there = client.get(place).content.decode()
        assert ("Read the terms and take the place" in there, page in there) == (True, True)
    answer = client.post(page, {"signed_name": "A. Person", "sha256": terms.sha256})
    assert answer.url == "/access/"
    assert stories.again(offered).status == "granted"
    assert page not in client.get("/access/").content.decode()
    assert client.get(page).status_code == 403


def test_an_offer_is_not_taken_without_a_name_or_on_old_terms(client, offered):
    page = f"/access/offers/{offered.ref}/"
    new, old = offered.phase.release.agreements.all()
    unnamed = client.post(page, {"signed_name": "", "sha256": new.sha256})
    assert unnamed.status_code == 400
    stale = client.post(page, {"signed_name": "A. Person", "sha256": old.sha256})
    assert stale.status_code == 409
    assert new.sha256 in stale.content.decode()
    assert stories.again(offered).status == "approved"


def test_others_offers_do_not_exist(client, offered):
    client.force_login(UserFactory())
    assert client.get(f"/access/offers/{offered.ref}/").status_code == 404


def test_claims_have_a_limit(client, fresh):
    slot = stories.ready(by=fresh)
    answers = [client.post(claim_page(slot), {"name": "x" * 101}).status_code for _ in range(11)]
    assert answers == [400] * 10 + [429]


def test_kids_may_be_told_and_keys_are_recognised():
    """The pattern above finds a real key: otherwise the tests above could not fail."""
    key, token = make_live_key()
    assert ANY_KEY.fullmatch(token)
    assert secrets.parse(token) == key.kid
