"""A programme manager edits a phase, publishes terms and halts, in a real browser."""

from playwright.sync_api import expect

from portal.programs.models import RolloutPhase
from tests.browser.watching import look, sign_in
from tests.factories.reviews import staff
from tests.factories.stories import open_phase


def test_a_phase_and_its_terms(open_page):
    page = open_page(width=1280, scheme="dark")
    phase = open_phase(name="Early partners")
    sign_in(page, staff("programme_manager", name="Mara Lind"))

    def see(heading):
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        look(page)

    page.goto("/admin/programs/rolloutphase/")
    look(page)
    page.get_by_role("link", name="Early partners").click()
    see("Change rollout phase")
    page.get_by_label("cyber:triage").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert phase.capabilities.count() == 2

    page.goto(f"/admin/programs/modelrelease/{phase.release.ref}/change/")
    look(page)
    page.get_by_role("link", name="Publish terms").click()
    see("Publish terms")
    page.get_by_label("Text").fill("Be good, and say so.")
    page.get_by_role("button", name="Publish these terms").click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    assert phase.release.agreements.count() == 2

    page.goto(f"/admin/programs/rolloutphase/{phase.ref}/change/")
    page.get_by_role("link", name="Halt").click()
    see(f"Halt {phase}?")
    page.get_by_role("button", name="Halt this phase").click()
    expect(page.get_by_role("link", name="Resume")).to_be_visible()
    assert RolloutPhase.objects.get().halted_at
