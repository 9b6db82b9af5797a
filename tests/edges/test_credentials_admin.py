"""Staff look at grants and keys, suspend and revoke; many at once through a case."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from portal.audit.models import Event
from portal.audit.selectors import events_about
from portal.audit.services import System
from portal.credentials import services
from portal.credentials.models import Credential, CredentialUse, Revocation
from portal.credentials.services import cancel_revocation, revoke_credential
from portal.credentials.targets import Selector
from portal.credentials.verification import explain, verify
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import OrganizationFactory, UserFactory, make_fresh
from tests.factories.applications import ApplicationFactory
from tests.factories.cases import let_pass
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.reviews import staff as in_role
from tests.factories.stories import again, responder

pytestmark = pytest.mark.django_db
GRANTS, KEYS = "/admin/credentials/grant/", "/admin/credentials/credential/"
CASES = "/admin/credentials/revocation/"
KEYS_UNKNOWN = "A" * 16
KINDS = ("live", "test")


@pytest.fixture
def who():
    return in_role("incident_responder")


@pytest.fixture
def desk(client, who):
    client.force_login(who)
    make_fresh(client, who)
    return client


@pytest.fixture
def powerless(client):
    client.force_login(UserFactory(is_staff=True))
    return client


@pytest.fixture
def phase():
    phase = RolloutPhaseFactory(name="Early partners")
    CapabilityFactory(release=phase.release, tier="elevated")
    return phase


@pytest.fixture
def keys(phase):
    """Three working keys of one phase; two of them of one partner."""
    partner = OrganizationFactory(name="Polar Institute")
    return [make_key(phase, partner), make_key(phase, partner), make_key(phase, None)]


def make_key(phase, partner):
    application = ApplicationFactory(phase=phase, organization=partner, status="granted")
    return make_live_key(grant__application=application)[0]


def previewed(phase, by):
    return services.preview_revocation(
        selector=Selector(phase=phase.ref), reason="incident", note="Seen in a dump.", by=by
    )


def confirming(case, **given):
    typed = {"typed_count": str(case.count), "typed_word": services.word_of(case.digest)}
    return {"digest": case.digest, **typed, **given}


def statuses():
    return set(Credential.objects.values_list("status", flat=True))


def at(case, verb="change"):
    return f"{CASES}{case.ref}/{verb}/"


# --- Grants ------------------------------------------------------------------------------------
def test_the_list_of_grants_shows_desired_beside_enforced(desk, phase):
    working = make_live_key(grant__application__phase=phase)[0].grant
    blocked = make_live_key(
        grant__holder=UserFactory(suspended_at=timezone.now(), suspended_by=responder())
    )[0].grant
    page = desk.get(GRANTS).text
    rows = {ref: row for row in page.split("<tr") for ref in re.findall(r"GRT-\w+", row)[:1]}
    assert "Works" in rows[working.ref]
    assert "suspended or closed" in rows[blocked.ref]
    assert "Blocked" in rows[blocked.ref]
    assert "Blocked" not in rows[working.ref]


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


# --- Choosing -------------------------------------------------------------------------------------
def choose(desk, by, value, **given):
    asked = {"title": "Keys in a dump", "severity": "high", "reason": "incident", **given}
    return desk.post(f"{CASES}add/", asked | ({by: value} if by else {}))


@pytest.mark.parametrize(
    ("by", "value", "hit"),
    [
        ("release", lambda phase, keys: phase.release.ref, 3),
        ("phase", lambda phase, keys: phase.ref, 3),
        ("organization", lambda phase, keys: keys[0].grant.organization.ref, 2),
        ("organization", lambda phase, keys: " Polar Institute ", 2),
        ("person", lambda phase, keys: keys[2].grant.holder.email.upper(), 1),
        ("person", lambda phase, keys: keys[2].grant.holder.ref, 1),
        ("kids", lambda phase, keys: f"{keys[0].kid},\n {keys[1].kid};{keys[0].kid}", 2),
    ],
)
def test_each_way_of_choosing_leads_to_its_preview(desk, phase, keys, by, value, hit):
    make_live_key()  # somebody else's
    response = choose(desk, by, value(phase, keys))
    case = Revocation.objects.get()
    assert (response.status_code, response["Location"]) == (302, at(case))
    assert case.count == hit
    page = desk.get(at(case))
    assert f"Revoke {hit} key" in page.text
    assert page.context["figures"].keys == hit
    assert statuses() == {"active"}


@pytest.mark.parametrize(
    ("by", "value", "told"),
    [
        ("", "", "Say which keys: by one criterion at least."),
        ("phase", "PHA-NOWHERE", "Select a valid choice."),
        ("person", "nobody@nowhere.example", "Nothing is known as “nobody@nowhere.example”"),
        ("organization", "<script>", "Nothing is known as “&lt;script&gt;”"),
        ("issued_from", "yesterday", "Enter a valid date/time."),
        ("kids", KEYS_UNKNOWN, f"1 of 1 are not known: {KEYS_UNKNOWN}"),
        ("kids", f"{KEYS_UNKNOWN}\nwhat is this", "Line 2 is not a key id and was taken out."),
    ],
)
def test_what_cannot_be_chosen_is_told_and_nothing_typed_is_lost(desk, keys, by, value, told):
    response = choose(desk, by, value, note="Seen at noon.")
    assert response.status_code in (200, 400)
    assert told in response.text
    assert "Seen at noon." in response.text
    if by in ("person", "organization") or value == KEYS_UNKNOWN:
        assert value in response.context["form"][by].value()
    assert not Revocation.objects.exists()


def test_a_reason_is_needed_and_nothing_live_is_said(desk, keys):
    assert "Choose a reason." in choose(desk, "kids", keys[0].kid, reason="").text
    revoke_credential(kid=keys[0].kid, reason="misuse", by=responder())
    response = choose(desk, "kids", keys[0].kid)
    assert (response.status_code, "None of these keys is live" in response.text) == (400, True)
    assert not Revocation.objects.exists()


def test_keys_dead_already_are_left_out_and_counted(desk, keys):
    revoke_credential(kid=keys[0].kid, reason="misuse", by=responder())
    choose(desk, "kids", f"{keys[0].kid} {keys[1].kid}")
    page = desk.get(at(Revocation.objects.get())).text
    assert "1 of the 2 key ids named is dead already and left out." in page


def test_a_whole_key_pasted_anywhere_is_cut_and_never_kept(desk):
    credential, token = make_live_key()
    secret = token.split("_")[3]
    partly = {"person": token, "organization": token, "note": f"Found {token} in a log"}
    messy = f'export KEY="{token}"\n{token},'
    response = choose(desk, "kids", messy, **partly)
    assert "Line 1 is not a key id" in response.text  # the word `export`
    assert response.context["form"]["kids"].value() == f"{credential.kid}\n{credential.kid}"
    wrong = choose(desk, "person", token, kids=token)
    upload = SimpleUploadedFile("keys.csv", f"kid\n{token}\n".encode())
    done = choose(desk, "kids", token, file=upload, note=partly["note"], title=token)
    page = desk.get(done["Location"])
    assert page.status_code == 200
    assert Revocation.objects.get().selector == {"kids": [credential.kid]}
    for told in (response, wrong, page):
        assert secret not in told.text
    assert_nowhere_in_the_database(secret, but_this=credential.kid)


def assert_nowhere_in_the_database(secret, but_this):
    """Every row of every table, as text; `but_this` is there, so the search can find things."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = {secret: 0, but_this: 0}
        for table in tables:
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM \"{table}\" AS t")
            text = cursor.fetchone()[0] or ""
            for word in found:
                found[word] += word in text
    assert found[secret] == 0
    assert found[but_this] > 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe\x00", "This is not a text file."),
        (b"kid\nshort\n", "Line 2 is of the file not a key id."),
        (b"x" * 20_000_001, "larger than 20 MB"),
    ],
)
def test_a_file_that_will_not_do_is_refused(desk, content, told):
    response = choose(desk, "kids", "", file=SimpleUploadedFile("keys.csv", content))
    assert told in response.text
    assert not Revocation.objects.exists()


def test_an_export_can_be_read_back(desk, phase, keys, who):
    case = previewed(phase, who)
    exported = b"".join(desk.get(f"{CASES}{case.ref}/keys.csv").streaming_content)
    choose(desk, "kids", "", file=SimpleUploadedFile("keys.csv", b"\xef\xbb\xbf" + exported))
    second = Revocation.objects.first()
    assert (second.digest, second.ref != case.ref) == (case.digest, True)


def test_ticked_rows_are_carried_to_the_page_that_previews(desk, keys):
    revoke_credential(kid=keys[2].kid, reason="misuse", by=responder())
    ticked = {"action": "revoke_selected", "_selected_action": [key.pk for key in keys]}
    form = desk.post(KEYS, ticked).context["form"]
    assert set(form["kids"].value().split()) == {keys[0].kid, keys[1].kid}
    ticked["_selected_action"] = [keys[1].grant.pk]
    form = desk.post(GRANTS, ticked).context["form"]
    assert form["kids"].value() == keys[1].kid
    ticked["_selected_action"] = [keys[2].pk]
    assert "there is nothing to revoke" in desk.post(KEYS, ticked, follow=True).text
    assert not Revocation.objects.exists()


def test_a_page_can_be_asked_for_filled_in(desk, phase, keys, who):
    partner = keys[0].grant.organization
    form = desk.get(f"{CASES}add/?organization={partner.ref}").context["form"]
    assert form["organization"].value() == partner.ref
    case = previewed(phase, who)
    form = desk.get(f"{CASES}add/?again={case.ref}").context["form"]
    values = [form[name].value() for name in ("phase", "reason", "note")]
    assert values == [[phase.ref], "incident", "Seen in a dump."]
    assert desk.get(f"{CASES}add/?nonsense&value=x&again=CASE-NONE").status_code == 200


# --- Preview, confirm, follow, report ---------------------------------------------------------
def test_the_preview_says_who_is_hit_and_what_will_happen(desk, phase, keys, who):
    CredentialFactory(grant__application__phase=phase)
    case = previewed(phase, who)
    response = desk.get(at(case))
    assert response.context["numbers"] == [
        ("keys in all", 4),
        ("in use", 3),
        ("used in the last hour", 0),
        ("not claimed yet", 1),
        ("holders", 4),
    ]
    figures = response.context["figures"]
    assert figures.by_organization == [("Individuals", 2), ("Polar Institute", 2)]
    assert figures.by_phase == [(f"{phase.release}: Early partners", 4)]
    assert figures.by_capability == [("model:infer", 4)]
    assert figures.highest == "elevated"
    for shown in (case.digest, "Valid for 15 minutes more", "4 mails go out", keys[0].kid):
        assert shown in " ".join(re.sub(r"<[^>]+>", "", response.text).split())
    assert response["Cache-Control"].find("no-store") >= 0


def test_confirming_kills_at_once_with_no_worker_awake(desk, phase, who):
    _key, token = make_live_key(grant__application__phase=phase)
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case))
    assert (response.status_code, response["Location"]) == (302, at(case))
    said = verify(token, audience=phase.release.audience, scope=None)
    assert said.verdict.code == "key_revoked"
    page = desk.get(at(case)).text
    assert "Telling partners" in page
    assert f'hx-get="{at(case, "progress")}?seen=running"' in page
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert desk.get(at(case, "progress"), {"seen": "running"})["HX-Refresh"] == "true"
    progress = desk.get(at(case, "progress"), {"seen": "completed"})
    assert "HX-Refresh" not in progress
    assert "Revoked; mails are leaving: 0 of 1" in progress.text
    assert "very partner told" not in desk.get(at(case)).text
    assert deliver_mail(mail_id=OutgoingMail.objects.get(case=case.ref).pk)
    progress = desk.get(at(case, "progress"), {"seen": "completed"})
    assert (progress["HX-Refresh"], "Every partner has been told" in progress.text) == (
        "true",
        True,
    )
    report = desk.get(at(case)).text
    assert "hx-get" not in report
    for shown in ("Revoked, and every partner told", str(who), "Seen in a dump.", "Security inc"):
        assert shown in report


@pytest.mark.parametrize("typed", ["", "2", "three", "33", "-3"])
def test_a_wrong_count_revokes_nothing_and_keeps_what_was_typed(desk, phase, keys, who, typed):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, typed_count=typed))
    assert response.status_code == 400
    asked_for = "3" if typed else "the number of keys"
    assert f"Nothing was revoked. Type {asked_for} to confirm." in response.text
    assert response.context["form"]["typed_count"].value() == typed
    assert statuses() == {"active"}
    assert again(case).status == "previewed"


def test_another_digest_revokes_nothing_and_the_next_try_is_bound_to_this_page(
    desk, phase, keys, who
):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, digest="0" * 64))
    assert (response.status_code, statuses()) == (409, {"active"})
    assert response.context["form"]["digest"].value() == case.digest
    assert desk.post(at(case, "confirm"), {"typed_count": "3"}).status_code == 400
    assert statuses() == {"active"}


def test_an_old_preview_cannot_be_confirmed_but_made_again(desk, phase, keys, who):
    case = previewed(phase, who)
    Revocation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = desk.post(at(case, "confirm"), confirming(case))
    assert (response.status_code, statuses()) == (410, {"active"})
    assert "too old to confirm" in response.text
    assert f"{CASES}add/?again={case.ref}" in response.text
    assert "typed_count" not in desk.get(at(case)).text


def test_a_case_is_confirmed_once(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    response = desk.post(at(case, "confirm"), confirming(case))
    assert response.status_code == 409
    assert "has moved on" in response.text
    assert Event.objects.filter(kind="credential.revoked").count() == 3
    assert Event.objects.filter(kind="revocation.confirmed").count() == 1


def test_cancelling(desk, phase, keys, who):
    case = previewed(phase, who)
    assert "Nothing was revoked" in desk.get(at(case, "cancel")).text
    desk.post(at(case, "cancel"))
    assert (again(case).status, statuses()) == ("cancelled", {"active"})
    assert desk.post(at(case, "confirm"), confirming(case)).status_code == 409
    assert "none revoked" in desk.get(at(case)).text
    other = previewed(phase, who)
    desk.post(at(other, "confirm"), confirming(other))
    told = desk.post(at(other, "cancel"), follow=True).text
    assert "has been decided already" in told


def test_failures_are_shown_with_what_they_failed_with(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    case.parties.create(
        holder=keys[2].grant.holder, status="failed", attempts=3, last_error="OSErrorOfMail"
    )
    page = desk.get(at(case, "progress"))
    assert (page.context["headway"].told, page.context["headway"].parties) == (0, 1)
    assert "OSErrorOfMail" in page.text


def test_in_the_middle_of_a_run_the_page_tells_its_rate_and_the_time_left(
    desk, phase, keys, who, settings
):
    settings.REVOCATION_CHUNK = 1
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    let_pass(timedelta(minutes=1))
    page = desk.get(at(case, "progress"), {"seen": "running"})
    assert words(page).startswith("Marking keys Keys marked dead 1 of 3")
    assert "Of late 1.0 keys a minute Left, at this rate about 2 minutes" in words(page)
    assert '<progress id="told" value="1" max="3">' in page.text
    assert f'hx-get="{at(case, "progress")}?seen=running"' in page.text


def test_the_file_holds_one_line_a_key_and_no_formula(desk, phase, who):
    evil = OrganizationFactory(name="=HYPERLINK(1)")
    keys = [make_key(phase, evil), make_key(phase, None)]
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    response = desk.get(f"{CASES}{case.ref}/keys.csv")
    assert response["Content-Disposition"] == f'attachment; filename="{case.ref}.csv"'
    lines = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert [line["kid"] for line in lines] == [key.kid for key in keys]
    assert [line["organization"] for line in lines] == ["'=HYPERLINK(1)", ""]
    assert {line["key_status"] for line in lines} == {"revoked"}
    assert {line["outcome"] for line in lines} == {"pending"}


def test_cases_are_found_by_reference_and_by_a_key_in_them(desk, phase, keys, who):
    case, other = previewed(phase, who), None
    stranger = make_live_key()[0]
    other = services.preview_revocation(
        selector=Selector(kids=stranger.kid), reason="incident", note="", by=who
    )
    for text, expected in ((keys[0].kid, case), (case.ref.lower(), case), (stranger.kid, other)):
        page = desk.post(f"{CASES}find/", {"q": text}, follow=True)
        assert [row.ref for row in page.context["cl"].result_list] == [expected.ref]


def test_pages_of_a_case_cost_the_same_however_many_keys(
    desk, phase, who, django_assert_num_queries, django_assert_max_num_queries
):
    def pages():
        case = previewed(phase, who)
        with django_assert_max_num_queries(45) as seen:
            desk.get(at(case))
        with django_assert_max_num_queries(60) as confirmed:
            desk.post(at(case, "confirm"), confirming(case))
        with django_assert_max_num_queries(55) as followed:
            desk.get(at(case))
        return len(seen), len(confirmed), len(followed)

    for partner in (None, OrganizationFactory()):
        make_key(phase, partner)
    desk.get(CASES)
    first = pages()
    for _ in range(12):
        make_key(phase, OrganizationFactory())
    assert pages() == first


def test_a_stale_sign_in_is_asked_for_again_before_anything_dies(client, phase, keys, who):
    client.force_login(who)
    case = previewed(phase, who)
    page = client.get(at(case)).text
    assert f"/accounts/reauthenticate/?next={at(case)}" in page
    assert "typed_count" not in page
    answer = client.post(at(case, "confirm"), confirming(case))
    assert (answer.status_code, statuses()) == (302, {"active"})
    assert answer["Location"].startswith("/accounts/reauthenticate/")


def test_a_wrong_word_revokes_nothing(desk, phase, keys, who):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, typed_word="please"))
    assert (response.status_code, statuses()) == (400, {"active"})
    assert f"Type “{services.word_of(case.digest)}” to confirm." in response.text


def test_two_people_confirm_what_reaches_a_critical_capability(desk, client, phase, who):
    scope = CapabilityFactory(release=phase.release, scope="bio:plan", tier="critical").scope
    make_live_key(grant__application__phase=phase, grant__scopes=[scope], scopes=[scope])
    case = previewed(phase, who)
    assert "after you somebody else has to confirm" in desk.get(at(case)).text
    told = desk.post(at(case, "confirm"), confirming(case), follow=True).text
    assert "nothing is revoked yet" in told
    assert "has confirmed. Another incident responder has to confirm, too" in told
    assert desk.post(at(case, "approve"), confirming(case)).status_code == 403
    assert statuses() == {"active"}
    second = in_role("incident_responder")
    client.force_login(second)
    make_fresh(client, second)
    assert "approve/" in client.get(at(case)).text
    assert client.post(at(case, "approve"), confirming(case)).status_code == 302
    assert (statuses(), again(case).confirmed_by) == ({"revoked"}, second)


def test_contained_first_and_let_go_by_somebody_else(desk, client, phase, keys, who):
    case = previewed(phase, who)
    assert "refuses exactly these 3 keys" in desk.get(at(case, "contain")).text
    page = desk.post(at(case, "contain"), follow=True).text
    assert "3 keys contained: refused, not revoked" in page
    assert [explain(key.kid).code for key in keys] == ["frozen_case"] * 3
    refused = desk.post(at(case, "cancel"), follow=True).text
    assert "Letting them go takes somebody else." in refused
    client.force_login(in_role("incident_responder"))
    client.post(at(case, "cancel"))
    assert (again(case).status, bool(explain(keys[0].kid))) == ("cancelled", True)


def test_every_staff_page_tells_of_what_is_contained_until_somebody_decides(
    desk, client, phase, keys, who
):
    case = previewed(phase, who)
    banner, pages = "1 contained case waits for a decision.", ["/admin/", CASES, at(case)]
    assert [banner in desk.get(page).text for page in pages] == [False] * 3
    desk.post(at(case, "contain"))
    assert [banner in desk.get(page).text for page in pages] == [True] * 3
    link = f'<a href="{CASES}{case.ref}/change/">{case.ref}</a>'
    assert link in desk.get("/admin/").text
    client.force_login(in_role("reviewer"))
    shown = client.get("/admin/").text
    assert (banner in shown, case.ref in shown, link in shown) == (True, True, False)
    client.force_login(in_role("incident_responder"))
    client.post(at(case, "cancel"))
    assert again(case).status == "cancelled"
    assert banner not in client.get("/admin/").text


def test_many_contained_cases_are_counted_and_listed(desk, phase, keys, who):
    cases = [previewed(phase, who) for _ in range(4)]
    for case in cases:
        desk.post(at(case, "contain"))
    undecided = previewed(phase, who)
    page = desk.get("/admin/").text
    assert "4 contained cases wait for a decision." in page
    (all_of_them,) = re.findall(r'<a href="([^"]+)">All 4</a>', page)
    listed = set(
        re.findall(r"CASE-[0-9A-Z]{8}", desk.get(all_of_them).text.split("result_list")[1])
    )
    assert listed == {case.ref for case in cases}
    assert undecided.ref not in listed


def test_telling_is_paused_and_goes_on(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    assert "Telling is paused" in desk.post(at(case, "pause"), follow=True).text
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert again(case).status == "running"
    assert "Telling partners" in desk.post(at(case, "resume"), follow=True).text
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert again(case).status == "completed"


def test_the_count_is_told_while_the_form_is_filled_in(desk, phase, keys):
    assert counted(desk) == "No key is named yet. The lines of a file are counted at the preview."
    assert counted(desk, phase=phase.ref) == "3 live keys of 3 holders"
    partner = keys[0].grant.organization
    assert counted(desk, phase=phase.ref, organization=partner.ref) == "2 live keys of 2 holders"
    assert counted(desk, phase=phase.ref, kids=keys[2].kid) == "1 live key of 1 holder"
    assert counted(desk, person="nobody@else.example").startswith("Nothing is known as")


def counted(desk, **given):
    return " ".join(re.sub(r"<[^>]+>", " ", desk.post(f"{CASES}count/", given).text).split())


def test_the_count_is_what_the_preview_will_hit(desk, phase, keys):
    alive = f"{keys[0].kid} night service\n{keys[1].kid}"
    told = counted(desk, phase=phase.ref, exclusions=alive)
    assert told == "1 live key of 1 holder; 2 stay alive"
    stranger = make_live_key()[0]
    told = counted(desk, phase=phase.ref, exclusions=f"{stranger.kid} is elsewhere")
    assert told == "3 live keys of 3 holders; 1 key to leave alive is not among them"


def test_the_count_tells_odd_lines_and_never_more_than_was_named(desk, phase, keys):
    odd = f"{keys[0].kid}\nwhat is this"
    line = "Line 2 is not a key id."
    assert counted(desk, phase=phase.ref, kids=odd) == f"{line} 1 live key of 1 holder"
    skipped = counted(desk, phase=phase.ref, kids=odd, skip_odd="on")
    assert skipped == "1 live key of 1 holder"
    for given in ({"kids": "what is this"}, {"kids": KEYS_UNKNOWN, "skip_odd": "on"}):
        assert counted(desk, phase=phase.ref, **given).endswith("None of these is a key of ours.")
    wrong = counted(desk, phase=phase.ref, issued_from="yesterday")
    assert wrong == "Enter a valid date/time."


def test_lines_that_are_no_key_can_be_left_out(desk, phase, keys):
    messy = f"{keys[0].kid}\nwhat is this\n{KEYS_UNKNOWN}"
    assert choose(desk, "kids", messy).status_code == 200
    choose(desk, "kids", messy, skip_odd="on")
    assert Revocation.objects.get().selector == {"kids": [keys[0].kid]}


def test_a_list_without_a_key_of_ours_never_widens_the_rest(desk, phase, keys):
    refused = choose(desk, "phase", phase.ref, kids=KEYS_UNKNOWN, skip_odd="on")
    assert "None of these is a key of ours." in refused.text
    file = SimpleUploadedFile("kids.csv", b" \n\n")
    assert "None of these is" in choose(desk, "phase", phase.ref, file=file).text
    assert not Revocation.objects.exists()


def test_exclusions_are_typed_with_their_reasons(desk, phase, keys):
    choose(desk, "phase", phase.ref, exclusions=f"{keys[1].kid} Runs the night service.")
    case = Revocation.objects.get()
    assert [(x.credential, x.reason) for x in case.exclusions.all()] == [
        (keys[1], "Runs the night service.")
    ]
    assert "Runs the night service." in desk.get(at(case)).text
    refused = choose(desk, "phase", phase.ref, exclusions=keys[1].kid)
    assert "Say of each key that stays alive why." in refused.text


def test_a_whole_key_among_those_to_leave_alive_is_cut_to_its_kid(desk, phase, keys):
    spared, token = make_live_key(grant__application__phase=phase)
    secret = token.split("_")[3]
    page = choose(desk, "phase", phase.ref, exclusions=token)
    assert page.context["form"]["exclusions"].value() == spared.kid
    assert secret not in page.text
    choose(desk, "phase", phase.ref, exclusions=f'"{token}", runs {token} at night')
    (left,) = Revocation.objects.get().exclusions.all()
    assert (left.credential, left.reason) == (spared, f"runs {spared.kid} at night")


def test_again_drops_what_needs_no_sparing_any_more(desk, phase, keys, who):
    exclusions = {keys[0].kid: "Night service.", keys[1].kid: "Warned by phone."}
    case = services.preview_revocation(
        selector=Selector(phase=phase.ref),
        reason="incident",
        note="",
        by=who,
        exclusions=exclusions,
    )
    revoke_credential(kid=keys[0].kid, reason="misuse", by=responder())
    page = desk.get(f"{CASES}add/?again={case.ref}")
    left = page.context["form"]["exclusions"].value()
    assert left == f"{keys[1].kid} Warned by phone."
    said = f"Dead by now, so taken out of the keys to leave alive: {keys[0].kid}."
    assert said in page.text
    choose(desk, "phase", phase.ref, exclusions=left)
    assert Revocation.objects.first().count == 1
    again_ = desk.get(f"{CASES}add/?again={Revocation.objects.first().ref}")
    assert "Dead by now" not in again_.text


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
