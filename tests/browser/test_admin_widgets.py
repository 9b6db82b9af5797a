"""What Django's admin does by script works under the strict policy, and looks like ours."""

import re

from playwright.sync_api import expect

from tests.browser.watching import assert_fits, look, sign_in
from tests.factories.accounts import UserFactory
from tests.factories.credentials import CredentialFactory
from tests.factories.programs import CapabilityFactory, ModelReleaseFactory


def test_dates_choices_and_inlines(open_page):
    page = open_page(width=360, scheme="dark")
    release = ModelReleaseFactory(name="Halcyon")
    CapabilityFactory(release=release, scope="model:infer")
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))

    page.goto("/admin/programs/rolloutphase/add/")
    page.locator("#calendarlink0").click()
    page.get_by_role("link", name="15", exact=True).click()
    expect(page.locator("#id_opens_at_0")).to_have_value(re.compile("15"))
    page.get_by_label("Halcyon, model:infer").check()
    page.get_by_text("Add another Question").click()
    expect(page.locator("#id_questions-0-prompt")).to_be_visible()
    look(page)

    page.goto("/admin/programs/modelrelease/add/")
    page.locator("#id_name").fill("A New Model")
    page.locator("#id_name").blur()
    expect(page.locator("#id_slug")).to_have_value("a-new-model")
    page.get_by_text("Add another Capability").click()
    look(page)

    page.goto(f"/admin/programs/modelrelease/{release.pk}/history/")
    look(page)
    page.goto("/admin/programs/modelrelease/?q=hal")
    expect(page.get_by_role("link", name="Halcyon")).to_be_visible()
    look(page)


def test_buttons_above_a_form_stand_in_line(open_page):
    page = open_page(width=360)
    person = UserFactory()
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))
    page.goto(f"/admin/accounts/user/{person.ref}/change/")
    buttons = page.locator(".object-tools > li").all()
    left = {}
    for button in buttons:
        box = button.bounding_box()
        left.setdefault(box["y"], []).append(box["x"])
    assert len(left) > 1
    assert {min(row) for row in left.values()} == {min(left[min(left)])}


def test_the_widest_of_key_ids_fits(open_page):
    page = open_page(width=320)
    key = CredentialFactory(kid="W" * 16)
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))
    for verb in ("change", "revoke"):
        assert page.goto(f"/admin/credentials/credential/{key.kid}/{verb}/").status == 200
        expect(page.get_by_role("heading", level=1)).to_contain_text(key.kid)
        assert_fits(page)
