"""What was used, on the holder's page, the staff's page of the grant, and their first page."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.credentials.models import UsageDay
from tests.factories.accounts import UserFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.reviews import staff as in_role

pytestmark = pytest.mark.django_db
IDLE = "Nothing was used in the last 30 days."


@pytest.fixture
def grant(client):
    holder = UserFactory()
    client.force_login(holder)
    return make_live_key(grant__holder=holder, grant__tokens_per_day=100_000)[0].grant


def used(grant, back=0, **counts):
    today = datetime.now(UTC).date()
    UsageDay.objects.create(grant=grant, day=today - timedelta(days=back), **counts)


def text(client, path):
    """The page's words, in order."""
    page = client.get(path)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def test_the_holder_sees_limits_and_that_nothing_was_used(client, grant):
    said = text(client, "/access/")
    assert "60 requests a minute, 100,000 tokens a day, shared by its keys" in said
    assert "Today (UTC): 0 of 100,000 tokens, 0 requests." in said
    assert IDLE in said
    assert "<rect" not in client.get("/access/").content.decode()


def test_the_holder_sees_today_and_the_days_before_in_words_and_columns(client, grant):
    used(grant, requests=3, tokens=1_200, refused=2)
    used(grant, back=1, requests=1, tokens=600)
    said = text(client, "/access/")
    assert "Today (UTC): 1,200 of 100,000 tokens, 3 requests, 2 more refused by a limit." in said
    assert "Tokens on each of the last 30 days: 1,800 in 4 requests" in said
    assert IDLE not in said
    page = client.get("/access/").content.decode()
    columns = re.findall(r'<rect class="bar" x="(\d+)" y="(\d+)" width="8" height="(\d+)"/>', page)
    assert columns == [("280", "30", "30"), ("290", "0", "60")]
    assert page.count('class="track"') == 30
    rows = re.findall(r'<th scope="row">[^<]+</th>(?:<td class="number">([\d,]+)</td>)', page)
    assert rows == ["1,200", "600"]


def test_a_grant_that_ended_shows_what_was_used_and_else_nothing(client, grant):
    grant.status = "ended"
    grant.save()
    assert IDLE not in text(client, "/access/")
    used(grant, back=3, tokens=7)
    assert "7 in 0 requests" in text(client, "/access/")


def test_others_see_nothing_of_it(client, grant):
    used(grant, tokens=1_234)
    client.force_login(UserFactory())
    assert "1,234" not in text(client, "/access/")


def test_staff_see_it_on_the_grant_s_page(client, grant):
    client.force_login(in_role("incident_responder"))
    page = f"/admin/credentials/grant/{grant.ref}/change/"
    assert IDLE in text(client, page)
    used(grant, requests=3, tokens=1_200)
    assert "Today (UTC): 1,200 of 100,000 tokens, 3 requests." in text(client, page)


def test_staff_see_who_used_most_on_their_first_page(client, grant):
    client.force_login(in_role("incident_responder"))
    assert "Most tokens in 7 days None were used." in text(client, "/admin/")
    used(grant, tokens=1_200)
    assert f"{grant.holder.name}, {grant.ref} 1,200" in text(client, "/admin/")


def test_a_name_is_only_a_name(client):
    client.force_login(in_role("incident_responder"))
    used(GrantFactory(holder=UserFactory(name="<b>Bo</b>")), tokens=1)
    assert "&lt;b&gt;Bo&lt;/b&gt;" in client.get("/admin/").content.decode()


def test_who_only_reviews_sees_nothing_of_it(client, grant):
    used(grant, tokens=1_200)
    client.force_login(in_role("reviewer"))
    assert "Most tokens" not in text(client, "/admin/")
