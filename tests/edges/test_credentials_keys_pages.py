"""The holder's pages of a key: rotating, trying out, naming, asking for more, revoking."""

from datetime import UTC, datetime

import pytest

from accounts.enums import MemberRole
from portal.credentials.models import Credential, CredentialUse, Grant
from portal.credentials.services import (
    revoke_credential,
    suspend_grant,
)
from portal.credentials.verification import explain, verify
from tests.edges.keys import ANY_KEY, claim_page, revoke_page
from tests.factories import stories
from tests.factories.accounts import (
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
    sign_in,
)
from tests.factories.credentials import GrantFactory, make_live_key

pytestmark = pytest.mark.django_db

# --- Rotating ---------------------------------------------------------------------------------


def rotate_page(key):
    return f"/access/keys/{key.kid}/rotate/"


def test_rotating_wants_a_fresh_sign_in(client):
    user = PersonFactory()
    sign_in(client, user)
    key, _token = make_live_key(grant__holder=user)
    for answer in (client.get(rotate_page(key)), client.post(rotate_page(key), {"overlap": 24})):
        assert answer.url.startswith("/accounts/reauthenticate/?next=")
    assert Credential.objects.count() == 1


def test_the_new_key_is_in_one_answer_and_the_old_one_goes_on(client, fresh):
    old, old_token = stories.claimed(by=fresh)
    assert rotate_page(old) in client.get("/access/").content.decode()
    assert "Before you do" in client.get(rotate_page(old)).content.decode()
    answer = client.post(rotate_page(old), {"name": "New machine", "overlap": "72"})
    text = answer.content.decode()
    [token] = set(ANY_KEY.findall(text))
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert "goes on until 3 days after this one is first used" in text
    audience = old.grant.phase.release.audience
    allowed = [verify(each, audience=audience, scope=None).verdict for each in (old_token, token)]
    assert [bool(verdict) for verdict in allowed] == [True, True]
    new = Credential.objects.get(replaces=old)
    page = client.get("/access/").content.decode()
    assert f"This one ends {new.overlap_words} after its first use" in page
    assert rotate_page(old) not in page  # two live keys
    assert token not in page
    refused = client.post(rotate_page(old), {"overlap": "72"})  # a reload of the answer
    assert (refused.status_code, ANY_KEY.findall(refused.content.decode())) == (403, [])
    assert "cannot be rotated now" in client.get(rotate_page(old)).content.decode()


def test_a_key_that_leaked_is_revoked_by_rotating_it(client, fresh):
    old, _token = stories.claimed(by=fresh)
    text = client.post(rotate_page(old), {"overlap": "0"}).content.decode()
    assert "every gateway refuses it already" in text
    assert explain(old.kid).code == "key_revoked"


@pytest.mark.parametrize("overlap", ["", "2", "169", "-1", "nonsense", "½"])
def test_an_overlap_that_is_not_offered_is_refused_in_words(client, fresh, overlap):
    old, _token = stories.claimed(by=fresh)
    answer = client.post(rotate_page(old), {"overlap": overlap})
    assert (answer.status_code, Credential.objects.count()) == (400, 1)


def test_rotating_narrows_and_never_widens(client, fresh):
    slot = stories.ready(by=fresh, scopes=[stories.STANDARD, stories.ELEVATED])
    client.post(claim_page(slot), {"scopes": [stories.ELEVATED]})
    page = client.get(rotate_page(slot))
    assert "scopes" not in page.context["form"].fields  # one is left, so there is no choice
    given = {"overlap": "24", "scopes": [stories.STANDARD, stories.CRITICAL]}
    client.post(rotate_page(slot), given)
    assert Credential.objects.get(replaces=slot).scopes == [stories.ELEVATED]


def test_contacts_rotate_and_others_do_not_know_the_page(client, fresh):
    partner = OrganizationFactory()
    key, _token = make_live_key(grant__application__organization=partner)
    assert client.get(rotate_page(key)).status_code == 404
    assert client.post(rotate_page(key), {"overlap": "24"}).status_code == 404
    MembershipFactory(user=fresh, organization=partner, role=MemberRole.TECHNICAL_CONTACT)
    assert client.post(rotate_page(key), {"overlap": "24"}).status_code == 200
    assert Credential.objects.get(replaces=key).claimed_by == fresh


# --- Test keys, names, last use ---------------------------------------------------------------


def test_a_test_key_is_made_and_shown_once(client, fresh):
    grant = GrantFactory(holder=fresh)
    page = f"/access/grants/{grant.ref}/test-key/"
    assert page in client.get("/access/").content.decode()
    assert "sandboxes only" in client.get(page).content.decode()
    answer = client.post(page, {"name": "Try-out"})
    text = answer.content.decode()
    [token] = set(ANY_KEY.findall(text))
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert token.startswith("tpk_test_")
    assert "The model itself refuses it" in text
    [holding] = client.get("/access/").context["holdings"]
    [shown] = holding.keys
    assert (shown.credential.name, shown.credential.kind, bool(shown.verdict)) == (
        "Try-out",
        "test",
        True,
    )
    client.post(page)
    refused = client.post(page)
    assert (refused.status_code, Credential.objects.count()) == (403, 2)
    assert page not in client.get("/access/").content.decode()
    assert "two test keys already" in client.get(page).content.decode()


def test_a_test_key_wants_a_fresh_sign_in(client):
    user = PersonFactory()
    sign_in(client, user)
    page = f"/access/grants/{GrantFactory(holder=user).ref}/test-key/"
    for answer in (client.get(page), client.post(page)):
        assert answer.url.startswith("/accounts/reauthenticate/?next=")
    assert Credential.objects.count() == 0


def test_the_page_says_when_a_key_was_last_used(client, person):
    key, _token = stories.claimed(by=person)
    assert "Not yet" in client.get("/access/").content.decode()
    CredentialUse.objects.create(
        credential=key, last_used_at=datetime(2026, 3, 5, 14, 20, tzinfo=UTC)
    )
    text = client.get("/access/").content.decode()
    assert "5 March 2026, 14:20 UTC</time>" in text


def test_a_key_is_renamed(client, person):
    key, _token = stories.claimed(by=person)
    page = f"/access/keys/{key.kid}/rename/"
    assert "What is this key called?" in client.get(page).content.decode()
    assert client.post(page, {"name": "x" * 101}).status_code == 400
    assert client.post(page, {"name": "Telescope"}).url == "/access/"
    assert "Telescope" in client.get("/access/").content.decode()
    revoke_credential(kid=key.kid, reason="key_leaked", by=person)
    assert [client.get(page).status_code, client.post(page).status_code] == [403, 403]
    client.force_login(UserFactory())
    assert client.get(page).status_code == 404


# --- Asking, revoking, giving up ---------------------------------------------------------------


def test_another_key_can_be_asked_for(client, person):
    key, _token = stories.claimed(by=person)
    page = f"/access/grants/{key.grant.ref}/keys/"
    assert client.get(page).url == "/access/"  # by the address bar, or after signing in
    assert client.post(page).url == "/access/"
    statuses = key.grant.credentials.values_list("status", flat=True)
    assert sorted(statuses) == ["active", "requested"]
    assert client.post(page).status_code == 403  # one is waiting already


def test_revoking_asks_why_and_kills_at_once(client, person):
    key, _token = stories.claimed(by=person)
    page = revoke_page(key)
    assert "Revoke this key?" in client.get(page).content.decode()
    for bad in ({}, {"reason": "misuse"}, {"reason": "nonsense"}):
        assert client.post(page, bad).status_code == 400
    assert bool(explain(key.kid))
    assert client.post(page, {"reason": "key_leaked"}).url == "/access/"
    assert explain(key.kid).code == "key_revoked"
    assert "Nothing to revoke" in client.get(page).content.decode()
    [holding] = client.get("/access/").context["holdings"]
    assert [past.credential for past in holding.past] == [key]


def test_giving_up_ends_the_grant_and_its_keys(client, person):
    key, _token = stories.claimed(by=person)
    page = f"/access/grants/{key.grant.ref}/give-up/"
    assert "1 key dies at once" in client.get(page).content.decode()
    assert client.post(page).url == "/access/"
    assert Grant.objects.get().status == "withdrawn"
    assert explain(key.kid).code == "key_revoked"


def test_a_suspended_grant_cannot_be_given_up(client, person):
    key, _token = stories.claimed(by=person)
    suspend_grant(grant_id=key.grant.pk, by=stories.responder())
    page = f"/access/grants/{key.grant.ref}/give-up/"
    assert client.get(page).status_code == 403
    assert client.post(page).status_code == 403
    assert page not in client.get("/access/").content.decode()


def test_after_staff_revoked_a_key_the_page_says_so(client, person):
    key, _token = stories.claimed(by=person)
    revoke_credential(kid=key.kid, reason="misuse", by=stories.responder())
    text = client.get("/access/").content.decode()
    assert "The programme has revoked or paused keys of this grant" in text
    assert f"/access/grants/{key.grant.ref}/keys/" not in text
