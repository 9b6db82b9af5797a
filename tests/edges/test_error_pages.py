"""Pages for what could not be done: each says what happened and gives a reference to quote."""

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import connection
from django.test import Client
from django.urls import include, path
from django.views.debug import ExceptionReporter, get_default_exception_reporter_filter
from django.views.decorators.http import require_POST

from portal import urls as portal_urls
from portal.errors import NotAllowed
from portal.request_id import request_id
from portal.views import csrf_failure

QUOTED = "quoted-0123456789"


def _raising(error):
    def view(request):
        raise error

    return view


def _waiting_in_vain(request):
    """A real wait for an answer that does not come in time."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '5ms'")
        cursor.execute("SELECT pg_sleep(5)")


urlpatterns = [
    path("400/", _raising(SuspiciousOperation("odd"))),
    path("403/", _raising(PermissionDenied)),
    path("405/", require_POST(_raising(NotImplementedError))),
    path("413/", _raising(RequestDataTooBig("more than is read"))),
    path("429/", portal_urls.handler429),
    path("500/", _raising(RuntimeError("broken"))),
    path("csrf/", csrf_failure),
    path("locked/", _waiting_in_vain),
    path("refused/", _raising(NotAllowed("not_yours", "Ask your contact."))),
    path("", include(portal_urls)),
]
handler400 = portal_urls.handler400
handler403 = portal_urls.handler403
handler404 = portal_urls.handler404
handler500 = portal_urls.handler500

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

PAGES = [
    ("/400/", 400, "We could not read that request"),
    ("/403/", 403, "You cannot open this"),
    ("/nowhere/", 404, "There is no such page"),
    ("/500/", 500, "Something broke on our side"),
    ("/refused/", 403, "You cannot do that"),
    ("/locked/", 503, "This is busy just now"),
    ("/405/", 405, "This cannot be opened like that"),
]


@pytest.mark.parametrize(("address", "status", "heading"), PAGES)
def test_each_says_what_happened_and_what_to_quote(address, status, heading):
    client = Client(raise_request_exception=False)
    response = client.get(address, headers={"X-Request-Id": QUOTED})
    page = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{heading}</h1>" in page
    assert f"<code>{QUOTED}</code>" in page
    assert "Nothing was changed." in page or "saved whole or not at all" in page


def test_a_method_that_is_not_allowed_still_names_the_ones_that_are(client):
    assert client.get("/405/")["Allow"] == "POST"


def test_machines_are_given_no_page(client):
    answer = client.delete("/oauth/introspect")
    assert (answer.status_code, b"<h1>" in answer.content) == (405, False)


def test_a_form_without_its_token_is_told_so():
    client = Client(enforce_csrf_checks=True)
    response = client.post("/accounts/login/", headers={"X-Request-Id": QUOTED})
    assert response.status_code == 403
    assert "<h1>This form is too old to be sent</h1>" in response.content.decode()


def test_the_page_for_a_crash_asks_the_database_nothing(django_assert_num_queries, rf):
    token = request_id.set(QUOTED)
    try:
        with django_assert_num_queries(0):
            response = portal_urls.handler500(rf.get("/500/"))
    finally:
        request_id.reset(token)
    assert QUOTED in response.content.decode()


def test_a_crash_report_shows_nothing_of_the_environment(rf, monkeypatch):
    """Granian hands each process's whole environment to each request."""
    monkeypatch.setenv("CREDENTIAL_PEPPERS", "1:in-the-environment")
    request = rf.get("/500/", CREDENTIAL_PEPPERS="1:in-the-environment", HTTP_X_ASKED="shown")
    report = ExceptionReporter(request, RuntimeError, RuntimeError("broken"), None)
    report = report.get_traceback_text()
    assert ("in-the-environment" in report, "shown" in report) == (False, True)


@pytest.mark.parametrize("name", ["CREDENTIAL_PEPPERS", "SIGNING_KEYS", "CELERY_BROKER_URL"])
def test_a_crash_report_cleanses_settings(name):
    safe = get_default_exception_reporter_filter().get_safe_settings()
    assert safe[name] == "********************"


@pytest.mark.parametrize("shown", [True, False])
def test_the_gallery_is_for_demos_only(client, settings, shown):
    settings.DEMO = shown
    assert client.get("/gallery/").status_code == (200 if shown else 404)
