"""Staff choose the keys of a case: each way, what is told meanwhile, and what is refused."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from portal.credentials import services
from portal.credentials.models import Revocation
from portal.credentials.services import revoke_credential
from portal.credentials.targets import Selector
from tests.edges.cases import CASES, at, previewed, statuses
from tests.factories.credentials import make_live_key
from tests.factories.stories import responder

pytestmark = pytest.mark.django_db
GRANTS, KEYS = "/admin/credentials/grant/", "/admin/credentials/credential/"
KEYS_UNKNOWN = "A" * 16


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
        ("kids", KEYS_UNKNOWN, f"Not known, 1 of 1: {KEYS_UNKNOWN}"),
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
    response = choose(desk, "kids", keys[1].kid, rehearsal="on")
    assert (response.status_code, "None of these is a live key to test" in response.text) == (
        400,
        True,
    )
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
        (b'kid,note\n0123456789abcdef,"oops\n', "a quotation mark is out of place"),
        (b"kid\nshort\n", "Line 2 of the file is not a key id."),
        (b'kid,note\nshort,"over\nlines"\nshorter,\n', "Lines 2, 4 of the file are not key ids."),
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
