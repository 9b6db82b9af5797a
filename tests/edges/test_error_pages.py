"""Pages for what could not be done: each says what happened and gives a reference to quote."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.test import Client
from django.urls import include, path
from django.views.decorators.http import require_POST

from portal import urls as portal_urls
from portal.errors import NotAllowed
from portal.request_id import request_id

QUOTED = "quoted-0123456789"


def _raising(error):
    def view(request):
        raise error

    return view


urlpatterns = [
    path("400/", _raising(SuspiciousOperation("odd"))),
    path("403/", _raising(PermissionDenied)),
    path("405/", require_POST(_raising(NotImplementedError))),
    path("429/", portal_urls.handler429),
    path("500/", _raising(RuntimeError("broken"))),
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


@pytest.mark.parametrize("shown", [True, False])
def test_the_gallery_is_for_demos_only(client, settings, shown):
    settings.DEMO = shown
    assert client.get("/gallery/").status_code == (200 if shown else 404)
