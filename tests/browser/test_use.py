"""The columns of what was used, wide and narrow, in light and dark, and the table beside them."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from portal.credentials.models import UsageDay
from tests.browser.watching import assert_accessible, assert_fits, look_every_way, sign_in
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key


def busy(holder):
    """A month of numbers as long as they get."""
    key, _token = make_live_key(grant__holder=holder, grant__tokens_per_day=10**12)
    today = datetime.now(UTC).date()
    UsageDay.objects.bulk_create(
        UsageDay(
            grant=key.grant,
            day=today - timedelta(days=back),
            requests=10**6 + back,
            tokens=10**11 * (back % 7),
            refused=back * 1000,
        )
        for back in range(30)
    )
    return key.grant


def test_use_of_two_grants_one_of_them_idle(open_page):
    page, holder = open_page(), UserFactory()
    grants = [busy(holder), busy(holder)]
    make_live_key(grant__holder=holder)
    sign_in(page, holder)
    page.goto("/access/")
    expect(page.get_by_text("Nothing was used in the last 30 days.")).to_be_visible()
    look_every_way(page)
    column = page.locator(".use .bar").last.bounding_box()
    assert (round(column["height"]), column["width"] > 3) == (10, True)  # a sixth of 60
    page.set_viewport_size({"width": 360, "height": 900})
    for summary in page.locator(".use summary").all():
        summary.click()
    for grant in grants:
        name = f"Use of {grant.ref} day by day"
        expect(page.get_by_role("region", name=name).get_by_role("row")).to_have_count(31)
    assert_fits(page)
    assert_accessible(page)
