"""One line a page, and of machines' questions only what failed here."""

import logging
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from portal import sparingly
from portal.gateway import views
from tests.factories.accounts import PersonFactory
from tests.meta.surface import signed_in

pytestmark = pytest.mark.django_db

FIELDS = ("method", "route", "path", "status", "user")


@pytest.fixture
def lines(caplog):
    """What the access log has told by now, as (level, FIELDS...)."""
    caplog.set_level(logging.INFO)

    def told():
        records = [record for record in caplog.records if record.name == "portal.access"]
        return [(r.levelname, *(getattr(r, field) for field in FIELDS)) for r in records]

    return told


def test_a_page_is_told_by_its_route_and_never_with_its_question(client, lines, caplog):
    client.get("/?q=who-is-ill")
    assert lines() == [("INFO", "GET", "home", "", 200, "")]
    [record] = [each for each in caplog.records if each.name == "portal.access"]
    assert record.duration_ms >= 0
    assert record.getMessage() == f"GET home: 200 after {record.duration_ms} ms"
    assert "ill" not in caplog.text


def test_who_asked_is_told_if_anybody_looked(lines):
    person = PersonFactory()
    signed_in(person).get("/access/")
    assert lines() == [("INFO", "GET", "credentials:access", "", 200, person.ref)]


def test_where_there_is_no_route_the_path_is_told_and_not_for_ever(client, lines):
    client.get("/nowhere/" + "x" * 500 + "?a=b")
    assert lines() == [("INFO", "GET", "", "/nowhere/" + "x" * 191, 404, "")]


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/oauth/introspect", "/gateway/authorize", "/metrics"]
)
def test_machines_and_probes_are_not_told_of(client, lines, caplog, path):
    client.get(path)
    assert lines() == []
    assert "django.request" not in {record.name for record in caplog.records}


def test_unless_they_failed_here(client, lines, monkeypatch):
    def broken(*_asked, **_how):
        raise LookupError

    monkeypatch.setattr(views, "authenticate", broken)
    client.post("/oauth/introspect?token=tpk_live_0123456789abcdef_x")
    assert lines() == [("ERROR", "POST", "introspect", "", 500, "")]


def test_that_nothing_can_be_answered_is_told_of_machines_once_a_second(client, lines, monkeypatch):
    def down(*_asked, within):
        raise OperationalError

    monkeypatch.setattr(sparingly, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    monkeypatch.setattr(views, "authenticate", down)
    for _ in range(3):
        assert client.post("/oauth/introspect").status_code == 503
    assert lines() == [("ERROR", "POST", "introspect", "", 503, "")]


def test_what_failed_is_told_with_a_traceback_once(client, lines, monkeypatch, caplog):
    def broken(*_asked):
        raise LookupError("broken")

    monkeypatch.setattr("portal.landing.published_releases", broken)
    client.raise_request_exception = False
    assert client.get("/").status_code == 500
    assert lines() == [("ERROR", "GET", "home", "", 500, "")]
    assert caplog.text.count("LookupError: broken") == 1
