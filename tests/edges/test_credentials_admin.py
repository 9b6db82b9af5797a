"""Staff look at grants and keys, suspend and revoke; who is let in."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from portal.audit.services import System
from portal.credentials import services
from portal.credentials.models import CredentialUse
from portal.credentials.services import cancel_revocation
from tests.edges.cases import CASES, at, confirming, make_key, previewed, statuses
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.freezes import place
from tests.factories.reviews import staff as in_role
from tests.factories.stories import again, responder
from tests.log import events_about

pytestmark = pytest.mark.django_db
GRANTS, KEYS = "/admin/credentials/grant/", "/admin/credentials/credential/"
KINDS = ("live", "test")


@pytest.fixture
def powerless(client):
    client.force_login(UserFactory(is_staff=True))
    return client


# --- Grants ------------------------------------------------------------------------------------
def test_the_list_of_grants_shows_desired_beside_enforced(desk, phase):
    working = make_live_key(grant__application__phase=phase)[0].grant
    blocked = make_live_key(
        grant__holder=UserFactory(suspended_at=timezone.now(), suspended_by=responder())
    )[0].grant
    page = desk.get(GRANTS).text
    rows = {ref: row for row in page.split("<tr") for ref in re.findall(r"GRT-\w+", row)[:1]}
    assert "Works" in rows[working.ref]
    assert "suspended or closed. <code>holder_not_active</code>" in rows[blocked.ref]
    assert "Blocked" in rows[blocked.ref]
    assert "Blocked" not in rows[working.ref]


def test_of_a_grant_whose_keys_are_over_it_is_said_how_they_ended(desk, keys, who):
    grant = keys[0].grant
    services.revoke_credential(kid=keys[0].kid, reason="misuse", by=who)
    for page in (f"{GRANTS}{grant.ref}/change/", GRANTS):
        assert "No key left: revoked" in desk.get(page).text
    services.allow_new_keys(grant_id=grant.pk, by=who)
    services.request_credential(grant_id=grant.pk, by=grant.holder)
    page = desk.get(f"{GRANTS}{grant.ref}/change/").text
    assert ("No key claimed" in page, "No key left" in page) == (True, False)


def test_the_code_a_partner_quotes_stands_on_the_pages_of_key_and_grant(desk, phase):
    key, _token = make_live_key(grant__application__phase=phase)
    pages = [f"{KEYS}{key.kid}/change/", f"{GRANTS}{key.grant.ref}/change/"]
    assert all("<code>frozen_phase</code>" not in desk.get(page).text for page in pages)
    place("phase", phase.ref)
    for page in (*pages, KEYS, GRANTS):
        assert "paused this phase&#x27;s access. <code>frozen_phase</code>" in desk.get(page).text


@pytest.mark.parametrize(
    "text",
    [
        lambda key: key.grant.ref.lower(),
        lambda key: key.kid,
        lambda key: key.grant.holder.email[2:9],
        lambda key: "lar instit",
    ],
    ids=["reference", "kid", "part of an address", "part of a partner's name"],
)
def test_grants_are_found_by_what_people_have_in_hand(desk, keys, text):
    other = GrantFactory(application__applicant__email="nobody@else.example")
    response = desk.post(f"{GRANTS}find/", {"q": text(keys[0])}, follow=True)
    assert keys[0].grant.ref in response.text
    assert other.ref not in response.text


def test_a_grant_reads_like_a_file(desk, keys):
    page = desk.get(f"{GRANTS}{keys[0].grant.ref}/change/").text
    for shown in (keys[0].kid, "Polar Institute", "Timeline", "Suspend", "Revoke grant"):
        assert shown in page
    assert "The grant is not suspended." in page  # why it cannot be resumed


def test_suspending_and_resuming(desk, keys, who):
    grant = keys[0].grant
    assert "Suspend" in desk.get(f"{GRANTS}{grant.ref}/suspend/").text
    desk.post(f"{GRANTS}{grant.ref}/suspend/")
    assert again(grant).status == "suspended"
    desk.post(f"{GRANTS}{grant.ref}/resume/")
    assert again(grant).status == "active"
    assert [e.actor for e in events_about(grant.ref)] == [who.ref] * 2


def test_revoking_a_grant_needs_a_reason(desk, keys):
    grant = keys[0].grant
    response = desk.post(f"{GRANTS}{grant.ref}/revoke/", {"reason": ""})
    assert "Choose a reason." in response.text
    assert again(grant).status == "active"
    desk.post(f"{GRANTS}{grant.ref}/revoke/", {"reason": "misuse"})
    assert (again(grant).status, again(keys[0]).status) == ("revoked", "revoked")


def test_a_failed_activation_is_given_to_the_worker_again(desk):
    grant = GrantFactory(status="activation_failed", attempts=5, last_error="OSError")
    page = desk.get(f"{GRANTS}{grant.ref}/retry/").text
    assert "OSError" in page
    desk.post(f"{GRANTS}{grant.ref}/retry/")
    assert (again(grant).status, again(grant).attempts) == ("activating", 0)


# --- Keys ---------------------------------------------------------------------------------------
def test_a_pasted_key_is_cut_before_it_stands_anywhere(desk):
    credential, token = make_live_key()
    secret = token.split("_")[3]
    response = desk.post(f"{KEYS}find/", {"q": token, "status": "live"})
    assert response["Location"] == f"{KEYS}?q={credential.kid}&status=live"
    page = desk.get(response["Location"]).text
    assert credential.kid in page
    assert secret not in page
    cut = desk.get(KEYS, {"q": token})
    assert (cut.status_code, cut["Location"]) == (302, f"{KEYS}?q={credential.kid}")


def test_a_key_s_page_shows_its_life_and_never_its_digest(desk):
    credential, token = make_live_key(name="Build server")
    page = desk.get(f"{KEYS}{credential.kid}/change/").text
    for shown in (credential.kid, "Build server", "Works", credential.grant.ref):
        assert shown in page
    for hidden in (bytes(credential.digest).hex(), str(bytes(credential.digest)), token):
        assert hidden not in page
    assert "<input" not in page.split('id="content-main"')[1].split("</main>")[0]


def test_revoking_one_key(desk, keys):
    page = f"{KEYS}{keys[0].kid}/revoke/"
    assert "for good" in desk.get(page).text
    response = desk.post(page, {"reason": "key_leaked"}, follow=True)
    assert f"Key {keys[0].kid} is dead." in response.text
    assert "This key gives no access any more." in response.text
    assert [again(key).status for key in keys] == ["revoked", "active", "active"]


def test_there_is_no_adding_and_no_deleting(desk, keys):
    for page in (f"{KEYS}add/", f"{GRANTS}add/", f"{KEYS}{keys[0].kid}/delete/"):
        assert desk.get(page).status_code == 403
        assert desk.post(page).status_code == 403
    assert desk.post(f"{KEYS}{keys[0].kid}/change/", {"status": "revoked"}).status_code == 403


@pytest.mark.parametrize(
    ("filters", "expected"),
    [("status=live", [0, 1]), ("status=revoked", [2]), ("expires=1", [1]), ("expires=over", [])],
)
def test_filters(desk, filters, expected):
    soon = timezone.now() + timedelta(hours=3)
    made = [
        make_live_key()[0],
        make_live_key(expires_at=soon)[0],
        make_live_key(status="revoked", revoked_at=soon, revoked_by=responder())[0],
    ]
    page = desk.get(f"{KEYS}?{filters}").text
    assert [n for n, key in enumerate(made) if key.kid in page] == expected


@pytest.mark.parametrize("page", [GRANTS, KEYS, CASES])
def test_lists_ask_the_database_as_often_for_many_rows_as_for_one(
    desk, phase, who, page, django_assert_num_queries, django_assert_max_num_queries
):
    def fill():
        make_key(phase, OrganizationFactory())
        previewed(phase, who)

    fill()
    desk.get(page)
    with django_assert_max_num_queries(40) as first:
        desk.get(page)
    for _ in range(5):
        fill()
    with django_assert_num_queries(len(first)):
        desk.get(page)


# --- Refusals ----------------------------------------------------------------------------------
def test_staff_without_a_role_are_refused_everywhere(powerless, phase, keys):
    case = previewed(phase, responder())
    grant, key = keys[0].grant.ref, keys[0].kid
    pages = [GRANTS, KEYS, CASES, f"{CASES}add/", f"{CASES}{case.ref}/keys.csv"]
    pages += [f"{desk}find/" for desk in (GRANTS, KEYS, CASES)]
    verbs = ("change", "confirm", "approve", "contain", "cancel", "pause", "resume", "progress")
    pages += [at(case, verb) for verb in verbs]
    pages += [f"{CASES}count/"]
    pages += [f"{GRANTS}{grant}/{verb}/" for verb in ("change", "suspend", "resume", "revoke")]
    pages += [f"{GRANTS}{grant}/retry/", f"{KEYS}{key}/change/", f"{KEYS}{key}/revoke/"]
    for page in pages:
        looked = powerless.get(page).status_code
        assert (page, looked) == (page, 405 if page.endswith("count/") else 403)
        assert (page, powerless.post(page, confirming(case)).status_code) == (page, 403)
    assert statuses() == {"active"}


def test_auditors_look_and_touch_nothing(client, phase, keys):
    client.force_login(in_role("auditor"))
    case = previewed(phase, responder())
    page = client.get(at(case))
    assert (page.status_code, "typed_count" in page.text) == (200, False)
    assert client.get(f"{CASES}{case.ref}/keys.csv").status_code == 200
    for address in (at(case, "confirm"), at(case, "cancel"), f"{CASES}add/"):
        assert client.get(address).status_code == 403
        assert client.post(address, confirming(case)).status_code == 403
    assert "Revoke selected" not in client.get(KEYS).text
    assert "Incident responders suspend" in client.get(f"{GRANTS}{keys[0].grant.ref}/change/").text
    ticked = {"action": "revoke_selected", "_selected_action": [keys[0].pk]}
    assert "kids" not in (client.post(KEYS, ticked).context or {})
    assert (statuses(), again(case).status) == ({"active"}, "previewed")


def test_a_case_nobody_knows_is_not_found(desk):
    assert desk.get(f"{CASES}CASE-NONESUCH/change/").status_code == 404
    assert desk.get(f"{CASES}CASE-NONESUCH/keys.csv").status_code == 404


def test_cancelling_by_service_is_for_responders(phase, keys):
    case = previewed(phase, responder())
    with pytest.raises(Exception, match="Only an incident responder"):
        cancel_revocation(revocation_id=case.pk, by=in_role("auditor"))


# --- The life of a key -------------------------------------------------------------------------
def test_the_page_of_a_key_tells_its_use_and_what_stands_in_its_place(desk, keys):
    old = keys[0]
    new, _minted = services.rotate_credential(kid=old.kid, by=old.grant.holder)
    used = datetime(2026, 3, 5, 14, 20, tzinfo=UTC)
    CredentialUse.objects.create(credential=new, last_used_at=used)
    page = desk.get(f"{KEYS}{old.kid}/change/").text
    assert f"{KEYS}{new.kid}/change/" in page
    assert "This one ends 24 hours after its first use." in page
    page = desk.get(f"{KEYS}{new.kid}/change/").text
    assert f"{KEYS}{old.kid}/change/" in page
    assert "5 March 2026, 14:20 UTC</time>" in page
    assert "5 Mar 2026" in desk.get(KEYS).text
    services.start_overlap(kid=new.kid, by=System("gateway"))
    assert "This one ends" not in desk.get(f"{KEYS}{old.kid}/change/").text


def test_keys_are_narrowed_by_kind(desk, keys):
    test, _token = make_live_key(grant=keys[0].grant, kind="test")
    assert "taken by sandboxes only" in desk.get(f"{KEYS}{test.kid}/change/").text
    shown = {kind: desk.get(KEYS, {"kind": kind}).context["cl"].result_list for kind in KINDS}
    assert {kind: {key.pk for key in rows} for kind, rows in shown.items()} == {
        "test": {test.pk},
        "live": {key.pk for key in keys},
    }
