"""What a case's pill says, on its page and in lists: no more and no less than is so."""

import re

import pytest

from portal.credentials import services
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from portal.programs.models import Capability
from tests.edges.cases import CASES, at, confirming, make_key, previewed
from tests.edges.test_accounts_sign_in import words
from tests.factories.reviews import staff as in_role
from tests.factories.stories import again

pytestmark = pytest.mark.django_db


def pills(desk, case):
    """On the case's page, in the list of cases, and on the page of a key in it."""
    (cell,) = re.findall(
        rf'{case.ref}</a></th>.*?<td class="field-standing">(.*?)</td>',
        desk.get(CASES).text,
        re.DOTALL,
    )
    key = case.items.first().credential
    (on_key,) = re.findall(
        rf"{case.ref}</a> (<span.*?</span>)",
        desk.get(f"/admin/credentials/credential/{key.kid}/change/").text,
        re.DOTALL,
    )
    head = re.search(
        r'<header class="page-header">.*?</header>', desk.get(at(case)).text, re.DOTALL
    )[0]
    on_page = head[head.index('<span class="pill') :]
    shown = {re.sub(r"<[^>]+>", "", each).strip() for each in (cell, on_key, on_page)}
    (pill,) = shown  # all say the same
    return pill


def test_completed_is_a_case_of_which_every_mail_has_left(desk, phase, keys, who):
    case = previewed(phase, who)
    assert pills(desk, case) == "Previewed"
    desk.post(at(case, "confirm"), confirming(case))
    assert pills(desk, case) == "Running"
    desk.post(at(case, "pause"))
    assert pills(desk, case) == "Paused"
    desk.post(at(case, "resume"))
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert again(case).status == "completed"
    assert "Revoked; mails are leaving" in words(desk.get(at(case)))
    assert pills(desk, case) == "Mails are leaving"
    for mail in OutgoingMail.objects.filter(case=case.ref):
        deliver_mail(mail_id=mail.pk)
    assert pills(desk, case) == "Completed"


@pytest.fixture
def spent(desk, phase, keys, who):
    """Contained; then another case revoked its keys."""
    held, other = previewed(phase, who), previewed(phase, who)
    desk.post(at(held, "contain"))
    assert pills(desk, held) == "Contained"
    desk.post(at(other, "confirm"), confirming(other))
    return held


def test_a_contained_case_whose_keys_another_has_revoked_waits_for_no_decision(desk, spent):
    assert pills(desk, spent) == "Nothing left to decide"
    page = words(desk.get(at(spent)))
    for told in (
        "3 keys contained: dead by now, nothing left to decide",
        "1 contained case has nothing left to decide. Every key is dead without it: close it.",
        "and nobody is mailed a second time.",
        "Confirm and close this case",
        "Closing the case without confirming it takes somebody else.",
    ):
        assert told in page
    for untrue in (
        "Preview again",
        "waits for a decision",
        "Nothing is revoked",
        "mails go out",
        "Revoke 3 keys",
    ):
        assert untrue not in page


def test_lists_of_contained_cases_know_which_wait(desk, phase, spent, who):
    make_key(phase, None)
    waiting = previewed(phase, who)
    desk.post(at(waiting, "contain"))
    listed = {
        only: set(re.findall(r"CASE-\w{8}</a></th>", desk.get(CASES, {"contained": only}).text))
        for only in ("1", "spent")
    }
    assert listed == {"1": {f"{waiting.ref}</a></th>"}, "spent": {f"{spent.ref}</a></th>"}}


def test_it_is_closed_by_somebody_else_or_by_confirming_it(desk, client, spent):
    refused = desk.post(at(spent, "cancel"), follow=True).text
    assert "Letting them go takes somebody else." in refused
    client.force_login(in_role("incident_responder"))
    asked = words(client.get(at(spent, "cancel")))
    assert f"Close {spent.ref}?" in asked
    assert "Its keys are dead without it and stay so" in asked
    assert "is closed. Its keys stay dead." in words(client.post(at(spent, "cancel"), follow=True))
    assert again(spent).status == "cancelled"
    assert "nothing left to decide" not in words(client.get("/admin/"))


def test_a_key_that_came_to_life_since_is_told_of_with_the_way_to_it(desk, phase, spent, who):
    """What was chosen by names it, too, so that confirming would leave it alive unseen."""
    key = make_key(phase, None)
    page = words(desk.get(at(spent)))
    for told in (
        "More keys came to life",
        "1 live key is meant by what this case was chosen by, and was not in its preview.",
        "Until it is dead, too, this case cannot be confirmed",
    ):
        assert told in page
    assert "Confirm and close this case" not in page
    refused = desk.post(at(spent, "confirm"), confirming(spent))
    assert refused.status_code == 409
    told = words(refused)
    assert "When they are dead, too, this case can be confirmed." in told
    assert "somebody else than who contained it may close it at once." in told
    (again_at,) = re.findall(r'href="([^"]+)">Preview again', refused.text)

    filled = desk.get(again_at)
    assert filled.context["form"].initial["phase"] == [phase.ref]
    newer = previewed(phase, who)
    numbers = desk.get(at(newer)).context["numbers"]
    assert (numbers[0], numbers[-1]) == (("key in all", 1), ("holder", 1))
    assert [item.credential for item in newer.items.all()] == [key]
    desk.post(at(newer, "confirm"), confirming(newer))
    assert desk.get(at(newer)).context["numbers"][:2] == [("key dead", 1), ("holder", 1)]
    assert "Preview again" not in words(desk.get(at(spent)))
    desk.post(at(spent, "confirm"), confirming(spent))
    assert again(spent).status == "running"


def test_where_what_chose_the_keys_has_another_name_now_its_page_stays(desk, who, keys, phase):
    scope = keys[0].scopes[0]
    case, other = (
        services.preview_revocation(
            selector=Selector(capability=scope), reason="incident", note="", by=who
        )
        for _ in range(2)
    )
    desk.post(at(case, "contain"))
    desk.post(at(other, "confirm"), confirming(other))
    Capability.objects.filter(scope=scope).update(scope="model:renamed")
    assert pills(desk, case) == "Nothing left to decide"
