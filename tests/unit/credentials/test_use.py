"""The last days of a grant, and who used most: what the pages draw."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from portal.credentials.models import UsageDay
from portal.credentials.usage import Day, Use, heaviest, use_of
from tests.factories.accounts import UserFactory
from tests.factories.credentials import GrantFactory

TODAY = date(2026, 5, 31)
NOW = datetime(2026, 5, 31, 23, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def used(grant, back=0, **counts):
    UsageDay.objects.create(grant=grant, day=TODAY - timedelta(days=back), **counts)


@pytest.mark.django_db
def test_every_day_is_there_the_oldest_first():
    grant, other, idle = GrantFactory(), GrantFactory(), GrantFactory()
    used(grant, requests=3, tokens=120)
    used(grant, back=29, requests=1, tokens=20, refused=2)
    used(grant, back=30, tokens=7)
    used(other, back=1, refused=1)
    found = use_of([grant, other, idle])
    use = found[grant.pk]
    assert [day.day for day in use.days] == [TODAY - timedelta(days=29 - n) for n in range(30)]
    assert use.today == Day(TODAY, 3, 120, 0)
    assert use.busy == [Day(TODAY, 3, 120, 0), Day(date(2026, 5, 2), 1, 20, 2)]
    assert use.total == Day(date(2026, 5, 2), 4, 140, 2)
    assert use.busiest == use.today
    assert found[other.pk].busy == [Day(date(2026, 5, 30), refused=1)]
    assert found[idle.pk].busy == []


@pytest.mark.django_db
def test_all_grants_of_a_page_take_one_statement(django_assert_num_queries):
    grants = GrantFactory.create_batch(3)
    for grant in grants:
        used(grant, tokens=1)
    with django_assert_num_queries(1):
        use_of(grants)


def test_columns_are_as_high_as_days_were_busy_and_anything_is_seen():
    tokens = (0, 1, 5_000, 10_000)
    use = Use([Day(TODAY, tokens=each) for each in tokens])
    assert use.columns == [(0, 60, 0), (10, 58, 2), (20, 30, 30), (30, 0, 60)]
    assert use.width == 40
    assert Use([Day(TODAY, refused=3)]).columns == [(0, 60, 0)]


@pytest.mark.django_db
def test_those_who_used_most_within_a_week():
    ada, ben, cleo, dora = (UserFactory(name=name) for name in ("Ada", "Ben", "Cleo", "Dora"))
    grants = {each.name: GrantFactory(holder=each) for each in (ada, ben, cleo, dora)}
    used(grants["Ada"], tokens=5)
    used(grants["Ada"], back=6, tokens=5)
    used(grants["Ada"], back=7, tokens=1000)  # a week ago and no longer within it
    used(grants["Ben"], back=3, tokens=30)
    used(grants["Cleo"], refused=9)
    assert heaviest(5) == [
        (f"Ben, {grants['Ben'].ref}", 30),
        (f"Ada, {grants['Ada'].ref}", 10),
    ]
    assert heaviest(1) == [(f"Ben, {grants['Ben'].ref}", 30)]
