"""GET /metrics: for whoever holds the token, and what the doors and pages count."""

import pytest

from tests.edges.doors import Key
from tests.factories.accounts import OrganizationFactory
from tests.numbers import number, told
from tests.queries import no_database

pytestmark = pytest.mark.django_db

TOKEN = "t" * 40


@pytest.fixture
def watcher(client, settings):
    """Ask with the token."""
    settings.METRICS_TOKEN = TOKEN

    def ask(**headers):
        given = {"Authorization": f"Bearer {TOKEN}"} | headers
        return client.get("/metrics", headers=given)

    return ask


def test_the_holder_of_the_token_is_told(watcher):
    answer = watcher()
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = told(answer.text)
    assert found[("portal_database_up",)] == 1
    assert not answer.cookies


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}t",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \N{SNOWMAN}".encode().decode("latin-1"),
    ],
)
def test_nobody_else_is(watcher, given):
    answer = watcher(Authorization=given)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
    assert answer["Cache-Control"] == "no-store"
    assert "portal_" not in answer.text
    assert TOKEN not in answer.text


def test_the_token_in_the_address_is_no_token(client, settings):
    settings.METRICS_TOKEN = TOKEN
    assert client.get(f"/metrics?token={TOKEN}").status_code == 401


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_without_a_token_there_is_no_such_page_for_anybody(client, settings, given, method):
    settings.METRICS_TOKEN = ""
    asked = getattr(client, method)("/metrics", headers={"Authorization": given})
    nowhere = getattr(client, method)("/nowhere")
    assert asked.status_code == nowhere.status_code == 404
    assert asked.text.replace(asked["X-Request-Id"], "") == nowhere.text.replace(
        nowhere["X-Request-Id"], ""
    )


def test_it_is_read_only(client, settings):
    settings.METRICS_TOKEN = TOKEN
    answer = client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_it_is_scraped_from_inside_over_plain_http_and_by_whatever_name(client, settings):
    settings.SECURE_SSL_REDIRECT, settings.METRICS_TOKEN = True, TOKEN
    given = {"Authorization": f"Bearer {TOKEN}", "Host": "10.0.0.5:8000"}
    assert client.get("/metrics", headers=given).status_code == 200


# --- What the doors count -----------------------------------------------------------------------


@pytest.fixture
def key(client):
    return Key(client, grant__application__organization=OrganizationFactory())


@pytest.fixture
def counts(watcher):
    """What grew since the last time it was asked, by door and code; every door has one latency an
    answer.
    """
    name, last = "access_decisions_total", [told(watcher().text)]

    def grown():
        now = told(watcher().text)
        found = {key: now[key] - last[0].get(key, 0) for key in now if now[key] != last[0].get(key)}
        last[0] = now
        decided = {
            (dict(key[1:])["door"], dict(key[1:])["code"]): value
            for key, value in found.items()
            if key[0] == name
        }
        for door in {door for door, _code in decided}:
            timed = found[("access_decision_seconds_count", ("door", door))]
            assert timed == sum(value for (each, _), value in decided.items() if each == door)
        return decided

    return grown


def test_each_answer_counts_once_under_its_reason(key, counts):
    key.introspect()
    assert counts() == {("introspect", "allowed"): 1}
    key.introspect("tpk_live_junk")
    key.introspect("")
    assert counts() == {("introspect", "malformed"): 1, ("introspect", "malformed_request"): 1}
    key.basic = "Basic bm9ib2R5Om5vYm9keQ=="
    key.introspect()
    key.authorize()
    assert counts() == {("introspect", "not_a_gateway"): 1, ("authorize", "not_a_gateway"): 1}


def test_forward_auth_counts_likewise(key, counts):
    key.authorize()
    key.authorize(query="?scope=cyber:scan")
    key.authorize(query="")
    key.authorize(None)
    assert counts() == {
        ("authorize", "allowed"): 2,
        ("authorize", "scope_not_held"): 1,
        ("authorize", "malformed_request"): 1,
    }


@pytest.mark.django_db(transaction=True)
def test_a_door_without_its_database_counts_as_unavailable(key, counts):
    with no_database():
        assert key.introspect().status_code == 503
    assert counts() == {("introspect", "unavailable"): 1}


# --- What pages count ---------------------------------------------------------------------------


def test_a_page_counts_once_under_the_name_of_its_view(client, watcher):
    def pages(**labels):
        return number(watcher().text, "portal_web_requests_total", **labels)

    before = pages(view="home", status="2xx"), pages(view="none", status="4xx")
    client.get("/?q=1")
    client.get("/nowhere/tpk_live_0123456789abcdef_x/")
    assert (pages(view="home", status="2xx"), pages(view="none", status="4xx")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_what_machines_ask_is_no_page(client, watcher):
    client.get("/healthz")
    client.post("/oauth/introspect")
    views = {dict(key[1:])["view"] for key in told(watcher().text) if "web_requests" in key[0]}
    assert not views & {"healthz", "introspect", "metrics"}


def test_no_label_is_made_of_what_came_with_a_request(key, watcher, client):
    key.introspect()
    key.authorize()
    client.get(f"/access/{key.credential.kid}/", headers={"X-Request-Id": "the-id-of-this-one"})
    text = watcher().text
    private = [key.credential.kid, key.credential.grant.ref, key.credential.grant.holder.ref]
    private += [key.credential.grant.holder.email, key.gateway.client_id, "the-id-of-this-one"]
    assert [each for each in private if each in text] == []
    names = {label for found in told(text) for label, _value in found[1:]}
    assert names <= {
        *("door", "code", "le", "view", "status", "task", "outcome", "kind"),
        *("level", "state"),
    }
