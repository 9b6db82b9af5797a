"""The door at which gateways report what was used."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from portal.credentials.models import UsageDay
from portal.gateway import usage_views
from portal.gateway.limits import MOST_FAILURES
from tests.factories.accounts import UserFactory
from tests.factories.credentials import GrantFactory
from tests.factories.gateway import basic, make_gateway

pytestmark = pytest.mark.django_db
TODAY = datetime.now(UTC).date().isoformat()
A_REPORT = "9e107d9d-372b-4c81-8b3a-5d2f1f6d2a11"


@pytest.fixture
def grant():
    return GrantFactory()


@pytest.fixture
def known(grant):
    gateway, secret = make_gateway(grant.phase.release)
    return basic(gateway.client_id, secret)


def entry(grant, **changed):
    counts = {"requests": 3, "tokens": 120, "refused": 0}
    return {"grant": grant.ref, "day": TODAY, **counts} | changed


def send(client, known, body, kind="application/json"):
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(
        "/gateway/usage", text, content_type=kind, headers={"Authorization": known} if known else {}
    )


def report(client, known, *entries, report=None):
    return send(client, known, {"report": report or str(uuid4()), "entries": entries})


def counted():
    return list(UsageDay.objects.values_list("requests", "tokens", "refused"))


def test_a_report_is_counted(client, known, grant):
    name = str(uuid4())
    response = report(client, known, entry(grant), report=name)
    assert (response.status_code, response.json()) == (
        200,
        {"report": name, "repeated": False, "not_counted": []},
    )
    assert response["Cache-Control"] == "no-store"
    assert counted() == [(3, 120, 0)]


def test_a_report_sent_again_is_counted_once_and_answered_all_the_same(client, known, grant):
    name = str(uuid4())
    report(client, known, entry(grant), report=name)
    for spelling in (name, name.upper(), f"{{{name}}}"):
        response = report(client, known, entry(grant), report=spelling)
        assert (response.status_code, response.json()) == (
            200,
            {"report": name, "repeated": True, "not_counted": []},
        )
    assert counted() == [(3, 120, 0)]


def test_what_is_not_counted_is_named_by_its_number(client, known, grant):
    foreign = GrantFactory()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    response = report(
        client,
        known,
        {"grant": grant.ref},
        entry(foreign),
        entry(grant),
        entry(grant) | {"grant": "GRT-NOWHERE"},
        entry(grant, day=tomorrow),
        entry(grant, tokens=10**12 + 1),
        entry(grant, note="for ourselves"),
    )
    assert response.status_code == 200
    assert response.json()["not_counted"] == [
        {"entry": 0, "reason": "malformed"},
        {"entry": 1, "reason": "unknown_grant"},
        {"entry": 3, "reason": "unknown_grant"},
        {"entry": 4, "reason": "day_not_begun"},
        {"entry": 5, "reason": "out_of_bounds"},
    ]
    assert counted() == [(6, 240, 0)]


ODD = [
    {"grant": None},
    {"grant": 1},
    {"grant": ["GRT-A"]},
    {"grant": ""},
    {"grant": "GRT-\x00"},
    {"grant": "GRT-\ud800"},
    {"grant": "G" * 100_000},
    {"day": None},
    {"day": 20260531},
    {"day": "2026-02-30"},
    {"day": "0000-00-00"},
    {"day": "20260531"},
    {"day": "2026-W22-7"},
    {"day": "٢٠٢٦-٠٥-٣١"},  # noqa: RUF001 - digits, but not ours
    {"requests": True},
    {"requests": "1"},
    {"requests": 1.0},
    {"tokens": None},
    {"tokens": float("nan")},
    {"tokens": float("inf")},
    {"refused": {}},
    None,
    [],
    "GRT-A",
    7,
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:40])
def test_a_malformed_entry_does_not_stop_the_others(client, known, grant, odd):
    changed = entry(grant) | odd if isinstance(odd, dict) else odd
    response = report(client, known, changed, entry(grant))
    assert response.json()["not_counted"] == [{"entry": 0, "reason": "malformed"}]
    assert counted() == [(3, 120, 0)]


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "null",
        "[]",
        '"x"',
        b"\xff",
        "[" * 10_000,
        {"entries": []},
        {"report": "7", "entries": []},
        {"report": 7, "entries": []},
        {"report": None, "entries": []},
        {"report": A_REPORT},
        {"report": A_REPORT, "entries": {}},
        {"report": A_REPORT, "entries": None},
        {"report": A_REPORT, "entries": [None] * 1001},
        '{"report": "9e107d9d-372b-4c81-8b3a-5d2f1f6d2a11", "entries": [' + "9" * 5000 + "]}",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_another_shape_is_refused_with_the_right_one(client, known, body):
    response = send(client, known, body)
    assert response.status_code == 400
    assert response.json() == {
        "error": "invalid_request",
        "error_description": usage_views.SHAPE,
    }


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_anything_but_json_is_refused(client, known, kind):
    response = send(client, known, "{}", kind=kind)
    assert (response.status_code, response.json()["error_description"]) == (
        400,
        "Send application/json, at most 256 kB.",
    )


def test_too_long_a_report_is_refused_unread(client, known):
    assert send(client, known, " " * (usage_views.LONGEST + 1)).status_code == 400


def test_only_gateways_report(client, known, grant):
    disabled, secret = make_gateway(grant.phase.release, name="Old")
    disabled.disabled_at, disabled.disabled_by = timezone.now(), UserFactory()
    disabled.save()
    for wrong in (None, "Basic x", known[:-4] + "AAAA", basic(disabled.client_id, secret)):
        response = report(client, wrong, entry(grant))
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        assert response["WWW-Authenticate"].startswith("Basic")
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert report(client, None, entry(grant)).status_code == 401
    assert counted() == []


def test_too_many_failures_are_told_to_wait(client, grant):
    answers = [report(client, "Basic x").status_code for _ in range(MOST_FAILURES + 1)]
    assert answers == [401] * MOST_FAILURES + [429]


@pytest.mark.parametrize("method", ["get", "put", "delete", "head", "options"])
def test_other_methods(client, known, method):
    response = getattr(client, method)("/gateway/usage", headers={"Authorization": known})
    assert (response.status_code, response["Allow"]) == (405, "POST")


def test_without_the_database_it_is_to_be_sent_again(client, known, grant):
    def gone(execute, sql, params, many, context):
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(gone):
        response = report(client, known, entry(grant))
    assert (response.status_code, response["Retry-After"]) == (503, "2")


def test_it_costs_few_statements_however_much_is_reported(
    client, known, grant, django_assert_num_queries
):
    grants = [grant, *(GrantFactory(application__phase=grant.phase) for _ in range(20))]
    with django_assert_num_queries(9):
        report(client, known, *(entry(each) for each in grants))


def test_it_answers_plain_http_as_the_other_doors_do(client, known, grant, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert report(client, known, entry(grant)).status_code == 200
    assert client.post("/gateway/usages").status_code == 301
