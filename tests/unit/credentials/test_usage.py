"""Usage reports: counted once, for the right grants and days, whoever sends them at once."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine

from portal.audit.models import Event
from portal.audit.services import System
from portal.credentials.models import UsageDay, UsageReport
from portal.credentials.services import Usage, forget_reports, record_usage
from portal.credentials.usage import heaviest, use_of
from portal.tasks import forget
from tests.factories.credentials import GrantFactory

NOW = datetime(2026, 5, 31, 0, 10, tzinfo=UTC)
TODAY = NOW.date()
GATEWAY = System("GW-ONE")


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def grant(db):
    return GrantFactory()


def used(grant, day=TODAY, requests=1, tokens=20, refused=0):
    return Usage(getattr(grant, "ref", grant), day, requests, tokens, refused)


def record(grant, *entries, report=None, by=GATEWAY):
    audience = grant.phase.release.audience
    return record_usage(report=report or uuid4(), entries=entries, audience=audience, by=by)


def rows():
    return sorted(UsageDay.objects.values_list("grant__ref", "day", *Usage.COUNTS))


def test_reports_add_up(grant):
    assert record(grant, used(grant, requests=3, tokens=120, refused=1)) == [""]
    assert record(grant, used(grant), used(grant, TODAY - timedelta(days=1), refused=2)) == ["", ""]
    assert rows() == [
        (grant.ref, date(2026, 5, 30), 1, 20, 2),
        (grant.ref, date(2026, 5, 31), 4, 140, 1),
    ]


def test_a_report_counts_once_however_often_it_comes(grant):
    report = uuid4()
    assert record(grant, used(grant), report=report) == [""]
    assert record(grant, used(grant), report=report) is None
    assert record(grant, used(grant, tokens=999), report=report) is None
    assert rows() == [(grant.ref, TODAY, 1, 20, 0)]


def test_two_gateways_may_choose_the_same_id(grant):
    report = uuid4()
    assert record(grant, used(grant), report=report) == [""]
    assert record(grant, used(grant), report=report, by=System("GW-TWO")) == [""]
    assert rows() == [(grant.ref, TODAY, 2, 40, 0)]


def test_entries_of_one_report_for_the_same_day_add_up(grant):
    assert record(grant, used(grant), used(grant), used(grant, refused=1)) == ["", "", ""]
    assert rows() == [(grant.ref, TODAY, 3, 60, 1)]


def test_what_cannot_be_counted_is_told_and_the_rest_counts(grant):
    foreign = GrantFactory()
    assert foreign.phase.release != grant.phase.release
    refused = record(
        grant,
        used(foreign),
        used("GRT-NOWHERE"),
        used(grant, TODAY + timedelta(days=1)),
        used(grant, TODAY - timedelta(days=2)),
        used(grant, date.min),
        used(grant, date.max),
        used(grant, requests=-1),
        used(grant, tokens=10**12 + 1),
        used(grant, refused=10**4000),
        used(grant),
        used(grant, tokens=10**12),
    )
    assert refused == [
        *("unknown_grant", "unknown_grant"),
        *("day_not_begun", "day_closed", "day_closed", "day_not_begun"),
        *("out_of_bounds", "out_of_bounds", "out_of_bounds"),
        *("", ""),
    ]
    assert rows() == [(grant.ref, TODAY, 2, 10**12 + 20, 0)]


def test_days_are_those_of_utc_wherever_the_server_stands(grant, settings):
    settings.TIME_ZONE = "America/Los_Angeles"  # where it is still the 30th
    assert record(grant, used(grant)) == [""]


def test_an_empty_report_is_a_report(grant):
    assert record(grant) == []
    assert rows() == []


def test_what_was_used_before_a_grant_ended_still_counts(grant):
    grant.status = "revoked"
    grant.save()
    assert record(grant, used(grant)) == [""]


def test_a_full_day_stays_full_and_keeps_nothing_else_from_being_counted(grant):
    full, other = 2**63 - 1, GrantFactory(application__phase=grant.phase)
    UsageDay.objects.create(grant=grant, day=TODAY, requests=full, tokens=full, refused=full - 1)
    assert record(grant, used(grant, refused=2), used(other)) == ["", ""]
    assert rows() == sorted([(grant.ref, TODAY, full, full, full), (other.ref, TODAY, 1, 20, 0)])
    assert use_of([grant])[grant.pk].today.tokens == full
    assert heaviest(1) == [(f"{grant.holder.name}, {grant.ref}", full)]


def test_a_count_is_no_event(grant):
    before = Event.objects.count()
    record(grant, used(grant))
    assert Event.objects.count() == before


@pytest.mark.django_db(transaction=True)
def test_a_report_sent_twice_at_once_counts_once(concurrently):
    grant, report = GrantFactory(), UUID(int=7)
    said = concurrently(*[lambda: record(grant, used(grant), report=report)] * 4)
    assert sorted(said, key=str) == [None, None, None, [""]]
    assert rows() == [(grant.ref, TODAY, 1, 20, 0)]


@pytest.mark.django_db(transaction=True)
def test_reports_about_the_same_grants_in_any_order_never_block_each_other(concurrently):
    first = GrantFactory()
    grants = [first, *(GrantFactory(application__phase=first.phase) for _ in range(30))]
    entries = [used(grant) for grant in grants]
    for _ in range(5):
        said = concurrently(
            *[lambda: record(first, *entries), lambda: record(first, *reversed(entries))] * 3
        )
        assert said == [[""] * 31] * 6
    assert {row[2:] for row in rows()} == {(30, 600, 0)}


def test_reports_are_forgotten_once_all_their_days_are_closed(grant):
    record(grant, used(grant))
    with time_machine.travel(NOW + timedelta(days=2, seconds=-1)):
        assert forget_reports(by=System("clock")) == 0
    with time_machine.travel(NOW + timedelta(days=2)):
        forget()
        assert UsageReport.objects.count() == 0
        assert record(grant, used(grant)) == ["day_closed"]
    assert rows() == [(grant.ref, TODAY, 1, 20, 0)]
