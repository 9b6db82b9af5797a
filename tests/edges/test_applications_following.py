"""The applicant's pages once it is sent: following, answering, appealing, withdrawing."""

import pytest
from django.urls import reverse

from portal.applications.models import Application
from portal.reviews.services import (
    decline_application,
    reply_to_applicant,
    request_changes,
    take_application,
    waitlist_application,
)
from tests.factories import stories
from tests.queries import statements

pytestmark = pytest.mark.django_db


def address(name, application, *more):
    return reverse(f"applications:{name}", args=[application.ref, *more])


def typed(application, shown, **answers):
    return {"form.version": application.version, "form.shown": shown, **answers}


# --- Submitting -------------------------------------------------------------------------------


def test_checked_and_submitted(client, person):
    application = stories.draft(by=person)
    text = client.get(address("check", application)).content.decode()
    assert "Triage of alerts." in text
    answer = client.post(address("check", application), follow=True)
    assert "Submitted" in answer.content.decode()
    assert stories.again(application).status == "submitted"
    assert answer.context["revision"].number == 1


def test_an_unfinished_draft_is_not_submitted_and_says_what_is_left(client, person):
    phase = stories.open_phase()
    client.post("/apply/", {"phase": phase.ref})
    application = Application.objects.get()
    answer = client.post(address("check", application))
    assert answer.status_code == 400
    assert [words for words, _address in answer.context["left"]] == [
        "What for? Answer this question.",
        "Choose at least one capability.",
        "Read and sign the terms.",
    ]
    assert stories.again(application).status == "draft"


def test_what_was_sent_cannot_be_changed(client, person):
    application = stories.submitted(by=person)
    here = address("detail", application)
    for name, *more in (("section", 1), ("capabilities",), ("organization",), ("check",)):
        assert client.get(address(name, application, *more)).url == here
    sent = typed(application, "purpose", purpose="Something else.")
    assert client.post(address("section", application, 1), sent).status_code == 403
    assert client.post(address("check", application)).status_code == 403
    assert stories.again(application).answers == {"purpose": "Triage of alerts."}


# --- Following --------------------------------------------------------------------------------


def test_the_status_page_says_whose_turn_it_is_and_tells_no_names(client, person):
    application = stories.in_review(by=person)
    nosy = stories.reviewer(name="Rita Reviewer")
    take_application(application_id=application.pk, by=nosy, from_colleague=True)
    stories.review(application, by=nosy)
    reply_to_applicant(application_id=application.pk, body="How many machines?", by=nosy)
    page = client.get(address("detail", application))
    text = page.content.decode()
    assert page.context["standing"].pen == "Our reviewers"
    assert "How many machines?" in text
    assert "Triage of alerts." in text
    assert "Rita" not in text
    assert "Review recorded" not in text
    assert "Looked at it." not in text


def test_changes_asked_for_stand_beside_the_field_and_are_answered(client, person):
    application = stories.in_review(by=person)
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"purpose": "Which alerts?", "": "Nearly there."},
        by=stories.reviewer(),
    )
    tasks = client.get(address("detail", application)).content.decode()
    assert "Our reviewers ask for changes" in tasks
    assert "Nearly there." in tasks
    page = address("section", application, 1)
    assert "Which alerts?" in client.get(page).content.decode()
    now = stories.again(application)
    answer = client.post(page, typed(now, "purpose", purpose="Of our firewalls."))
    assert answer.url == address("check", application)
    client.post(address("check", application))
    assert stories.again(application).status == "submitted"
    revision = client.get(address("detail", application)).context["revision"]
    assert revision.number == 2


def test_messages_are_sent_and_empty_ones_are_not(client, person):
    application = stories.submitted(by=person)
    page = address("send", application)
    assert client.post(page, {"body": "Two more machines."}).url == address("detail", application)
    assert application.messages.get().body == "Two more machines."
    for bad in ("  ", "x" * 5001, "a\0b"):
        assert client.post(page, {"body": bad}).status_code == 400
    assert application.messages.count() == 1


def test_where_messages_are_sent_to_leads_to_the_page_they_stand_on(client, person):
    """After signing in, or by the address bar."""
    application = stories.submitted(by=person)
    answer = client.get(address("send", application))
    assert (answer.status_code, answer.url) == (302, address("detail", application))


def test_a_text_sent_by_somebody_signed_out_comes_back(client):
    application = stories.submitted()
    page = address("send", application)
    answer = client.post(page, {"body": "Two <more> machines.", "mark": "one"})
    assert answer.status_code == 403
    assert answer.context["texts"] == ["Two <more> machines."]
    assert "Two &lt;more&gt; machines.</textarea>" in answer.content.decode()
    assert f'href="{reverse("account_login")}?next={page}"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert application.messages.count() == 0


def test_nothing_written_is_nothing_to_give_back(client):
    page = address("send", stories.submitted())
    answer = client.post(page, {"body": " "})
    assert (answer.status_code, answer.url) == (302, f"{reverse('account_login')}?next={page}")


def test_a_draft_has_no_thread(client, person):
    application = stories.draft(by=person)
    assert client.post(address("send", application), {"body": "Hello"}).status_code == 403


def decline(application):
    decline_application(
        application_id=application.pk,
        revision=stories.read(application.pk),
        reason_code="risk_too_high",
        text="Too risky for us now.",
        by=stories.decider(),
    )


def test_declined_then_appealed_once(client, person):
    application = stories.in_review(by=person)
    assert client.get(address("appeal", application)).status_code == 403
    decline(application)
    assert "Too risky for us now." in client.get(address("detail", application)).content.decode()
    page = address("appeal", application)
    assert client.post(page, {"text": " "}).status_code == 400
    assert client.post(page, {"text": "You misread it."}).url == address("detail", application)
    assert stories.again(application).status == "appealed"
    assert client.post(page, {"text": "Again."}).status_code == 403


def test_withdrawing_asks_first(client, person):
    application = stories.draft(by=person)
    page = address("withdraw", application)
    assert "Withdraw this application?" in client.get(page).content.decode()
    assert stories.again(application).status == "draft"
    assert client.post(page).url == "/applications/"
    assert stories.again(application).status == "withdrawn"
    assert client.get(page).status_code == 403


def test_every_state_has_a_page(client, person):
    waiting = stories.reviewed(by=person)
    waitlist_application(
        application_id=waiting.pk,
        revision=stories.read(waiting.pk),
        text="Soon.",
        by=stories.decider(),
    )
    granted = stories.opened(by=person)
    stories.draft(by=person)
    for application in Application.objects.all():
        page = client.get(address("detail", application))
        assert (application.status, page.status_code) == (application.status, 200)
    assert "/access/" in client.get(address("detail", granted.application)).content.decode()


def test_the_list_is_paged_and_costs_the_same_however_long(client, person):
    assert "No applications yet" in client.get("/applications/").content.decode()
    stories.draft(by=person)
    before = statements(client, "/applications/")
    for _ in range(20):
        stories.draft(by=person)
    stories.draft()
    assert statements(client, "/applications/") == before
    assert len(client.get("/applications/").context["rows"]) == 20
    assert len(client.get("/applications/?page=2").context["rows"]) == 1
    assert client.get("/applications/?page=nonsense").status_code == 200
