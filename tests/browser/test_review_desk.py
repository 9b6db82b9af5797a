"""The desk and one file in a real browser: every page looked at; decided by keyboard alone."""

from playwright.sync_api import expect

from portal.applications.enums import ApplicationStatus as S
from portal.applications.services import save_answers, send_message, submit_application
from portal.audit.models import Event
from portal.reviews.admin import ReviewDesk
from portal.reviews.services import request_changes, take_application
from tests.browser.watching import look, look_each_way, sign_in
from tests.factories import stories
from tests.factories.reviews import staff
from tests.factories.stories import ELEVATED, again

QUEUE = "/admin/applications/application/"


def resubmitted():
    """In review with a difference, a message to answer, and one review."""
    application = stories.in_review(scopes=[ELEVATED])
    rosa = staff("reviewer")
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"purpose": "Which?"},
        by=rosa,
    )
    application = again(application)
    save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"purpose": "Triage of security alerts."},
        by=application.applicant,
    )
    submit_application(application_id=application.pk, by=application.applicant)
    send_message(application_id=application.pk, body="Done.", by=application.applicant)
    take_application(application_id=application.pk, by=rosa, from_colleague=True)
    stories.review(application)
    return again(application)


def test_the_desk_and_a_file(page):
    application = resubmitted()
    sign_in(page, staff("decider"))
    for url in ("/admin/", QUEUE, f"{QUEUE}{application.ref}/change/"):
        page.goto(url)
        look_each_way(page, (1280, "light"), (320, "dark"))


def test_every_question_of_the_desk_and_the_log(open_page):
    application = resubmitted()
    stories.review(application)
    page = open_page(width=1280, scheme="dark")
    sign_in(page, staff("decider"))
    for verb in [button.verb for button in ReviewDesk.buttons]:
        page.goto(f"{QUEUE}{application.ref}/{verb}/")
        expect(page.get_by_role("link", name="Cancel")).to_be_visible()
        look(page)
    page.goto(f"{QUEUE}?q=nothing-like-it")
    look(page)
    sign_in(page, staff("auditor"))
    page.goto("/admin/audit/event/")
    look(page)
    page.locator("#result_list a").first.click()
    latest = Event.objects.latest("id")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Event {latest}")
    look(page)


def test_a_review_and_an_approval_by_keyboard_without_script(open_page):
    application = resubmitted()
    page = open_page(javascript=False)
    sign_in(page, staff("decider"))
    page.goto(QUEUE)
    page.get_by_label("Search").fill(application.ref)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=application.ref).press("Enter")
    expect(page.locator("ins", has_text="security")).to_be_visible()
    expect(page.get_by_text("1 of 2 reviewers needed at the elevated tier")).to_be_visible()

    page.get_by_role("link", name="Record review").press("Enter")
    page.get_by_role("button", name="Record my review").press("Enter")
    expect(page.get_by_role("heading", name="Something needs correcting")).to_be_visible()
    page.get_by_role("group", name="What do you recommend?").get_by_label("Approve").press("Space")
    for score in ("Need for access", "Safeguards", "Track record"):
        page.get_by_role("group", name=score).get_by_label("4", exact=True).press("Space")
    page.get_by_label("Why").fill("Sound.")
    page.get_by_role("button", name="Record my review").press("Enter")

    page.get_by_role("link", name="Approve").press("Enter")
    expect(page.get_by_text("2 of 2 needed")).to_be_visible()
    page.get_by_role("button", name="Approve").press("Enter")
    expect(page.get_by_text(f"{application.ref} is approved.")).to_be_visible()
    assert again(application).status == S.GRANTED
