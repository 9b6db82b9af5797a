"""The queue of the review desk, and who is let in: never a superuser, always by the pages."""

import re

import pytest
from django.test import Client

from portal.admin_buttons import object_url
from portal.applications.enums import ApplicationStatus as S
from portal.applications.services import save_answers, submit_application
from portal.reviews.services import request_changes
from tests.edges.desks import QUEUE, REVIEW, VERBS, page, press, signed_in
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.reviews import staff
from tests.factories.stories import CRITICAL, ELEVATED, again
from tests.queries import statements

pytestmark = pytest.mark.django_db


# --- The queue -----------------------------------------------------------------------------------


def listed(client, query=""):
    found = re.findall(r'<span class="unbroken">(APP-\w+)</span>', client.get(QUEUE + query).text)
    return set(found)


def test_the_queue_holds_what_waits_and_filters_narrow_it():
    rosa = staff("reviewer")
    elevated, submitted = stories.in_review(scopes=[ELEVATED]), stories.submitted()
    declined, draft = stories.in_review(), stories.draft()
    press(rosa, declined, "decline", reason_code="risk_too_high", text="No.")
    press(rosa, submitted, "take")
    client = signed_in(rosa)
    assert listed(client) == {elevated.ref, submitted.ref}
    assert listed(client, "?standing=all") == {
        elevated.ref,
        submitted.ref,
        declined.ref,
        draft.ref,
    }
    assert listed(client, "?standing=declined") == {declined.ref}
    assert listed(client, "?standing=closed") == {declined.ref}
    assert listed(client, "?standing=applicant") == {draft.ref}
    assert listed(client, "?standing=nonsense&o=1") == {elevated.ref, submitted.ref}
    assert listed(client, "?tier=elevated") == {elevated.ref}
    assert listed(client, "?whose=mine") == {submitted.ref}
    assert listed(client, f"?phase={elevated.phase.ref}") == {elevated.ref}
    assert listed(client, f"?q={elevated.ref.lower()}") == {elevated.ref}
    assert listed(client, f"?q={elevated.ref[4:]}") == {elevated.ref}
    assert listed(client, "?q=nobody-at-all") == set()


def test_the_queue_is_searched_by_person_and_by_partner():
    ada = UserFactory(name="Ada Lovelace", email="ada@example.net")
    organization = OrganizationFactory(name="Analytical Engines")
    by_ada, other = stories.submitted(by=ada), stories.submitted()
    other.organization = organization
    other.save()
    client = signed_in(staff("reviewer"))
    assert listed(client, "?q=lovel") == {by_ada.ref}
    assert listed(client, "?q=ADA@example") == {by_ada.ref}
    assert listed(client, "?q=analytical") == {other.ref}
    assert listed(client, f"?organization={organization.ref}") == {other.ref}


def test_the_queue_takes_as_many_queries_for_thirty_as_for_one(django_assert_max_num_queries):
    client = signed_in(staff("reviewer"))
    phase = stories.open_phase()

    def queries():
        with django_assert_max_num_queries(30) as counted:
            client.get(QUEUE)
        return len(counted)

    stories.reviewed(phase=phase)
    client.get(QUEUE)
    for_one = queries()
    for _ in range(29):
        stories.submitted(phase=phase)
    assert len(listed(client)) == 30
    assert queries() == for_one


def test_the_page_that_approves_asks_about_all_reviewers_at_once():
    """Whoever reviewed: one statement each time it is asked whether they still may, no more."""
    decider = staff("decider")
    few, many = stories.reviewed(scopes=[CRITICAL]), stories.reviewed(scopes=[CRITICAL])
    for _ in range(3):
        press(staff("reviewer"), many, "review", **REVIEW)
    client = signed_in(decider)
    for_two, for_five = (
        statements(client, object_url(application, verb="approve")) for application in (few, many)
    )
    assert for_two < 60
    assert for_five - for_two == 2 * 3


def test_a_draft_is_read_by_nobody_else():
    application = stories.draft()
    text = page(staff("reviewer"), application).text
    assert "Nothing has been submitted." in text
    assert "Triage of alerts." not in text


def test_what_was_asked_stays_beside_an_answer_that_is_gone():
    application = stories.in_review()
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"purpose": "Shorter."},
        by=staff("reviewer"),
    )
    application.phase.questions.update(key="aim", prompt="What is the aim?")
    application = again(application)
    save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"aim": "Defence."},
        by=application.applicant,
    )
    submit_application(application_id=application.pk, by=application.applicant)
    text = page(staff("decider"), application).text
    assert "<ins>Defence.</ins>" in text
    assert "<del>Triage of alerts.</del>" in text


# --- Who is let in --------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_buttons_are_for_those_with_the_permission(verb, method):
    application = stories.in_review()
    url = object_url(application, verb=verb)
    anonymous = getattr(Client(), method)(url)
    assert (anonymous.status_code, anonymous.url.partition("?")[0]) == (302, "/admin/login/")
    nobody = getattr(signed_in(application.applicant), method)(url)
    assert nobody.status_code in (302, 403)
    assert nobody.status_code == 403 or nobody.url.startswith("/admin/login/")
    for role in ("auditor", "programme_manager", "incident_responder"):
        assert getattr(signed_in(staff(role)), method)(url).status_code == 403
    assert getattr(signed_in(UserFactory(is_staff=True)), method)(url).status_code == 403
    assert again(application).status == S.IN_REVIEW


def test_nothing_is_edited_added_or_deleted_by_hand():
    application = stories.in_review()
    client = signed_in(staff("decider"))
    assert client.post(object_url(application), {"status": "approved"}).status_code == 403
    assert client.get(f"{QUEUE}add/").status_code == 403
    assert client.post(object_url(application, verb="delete"), {"post": "yes"}).status_code == 403
    assert 'name="status"' not in client.get(object_url(application)).text


def test_a_reader_sees_the_file_and_no_button():
    application = stories.in_review()
    text = page(staff("auditor"), application).text
    assert "Your staff role lets you read, not decide." in text
    assert "Record review" not in text


def test_the_first_page_counts_for_each_what_they_may_see():
    stories.claimed()
    stories.submitted()
    reviewer = signed_in(staff("reviewer")).get("/admin/").text
    assert "Applications by where they stand" in reviewer
    assert "Working keys by phase" not in reviewer
    responder = signed_in(staff("incident_responder")).get("/admin/").text
    assert "Working keys by phase" in responder
    assert ("Machinery" in responder, "Machinery" in reviewer) == (True, False)
    assert "Oldest has waited" in responder
    assert "No worker is heard of." in responder
    assert "Applications by where they stand" not in responder
    assert "by phase" not in signed_in(UserFactory(is_staff=True)).get("/admin/").text
