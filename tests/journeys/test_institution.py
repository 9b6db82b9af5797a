"""Signing in with an institution: a small OpenID Connect server, and the portal beside it."""

import contextlib
import html
import http.server
import json
import re
import threading
import urllib.parse

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import connection

from accounts.models import User
from tests.factories.accounts import PASSWORD, PersonFactory
from tests.journeys.visitor import Visitor
from tests.log import events_about
from tests.processes import portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN = "/accounts/oidc/uni/login/"
ADA = {"sub": "ada-1", "name": "Ada  Lovelace", "email": "ada@uni.example", "email_verified": True}


class University(http.server.BaseHTTPRequestHandler):
    """Says yes to everybody and tells of whoever `server.person` is."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        here = f"http://127.0.0.1:{self.server.server_port}"
        if path == "/authorize":
            asked = dict(urllib.parse.parse_qsl(query))
            back = urllib.parse.urlencode({"code": "once", "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{back}")
            self.end_headers()
        elif path == "/userinfo":
            self.tell(self.server.person)
        else:
            names = ("authorization", "token", "userinfo")
            places = {f"{name}_endpoint": f"{here}/{name}" for name in names}
            places["authorization_endpoint"] = f"{here}/authorize"
            self.tell({"issuer": here, "jwks_uri": f"{here}/keys", **places})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = dict(urllib.parse.parse_qsl(body))
        assert (given["client_secret"], "code_verifier" in given) == ("word", True)
        self.tell({"access_token": "a", "token_type": "Bearer"})

    def tell(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def university():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), University) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def portal(university, django_db_setup, tmp_path_factory):
    app = {
        "provider_id": "uni",
        "name": "University",
        "client_id": "portal",
        "secret": "word",
        "settings": {
            "server_url": f"http://127.0.0.1:{university.server_port}",
            "token_auth_method": "client_secret_post",
        },
    }
    env = portal_environment(
        LOGIN_OPENID_CONNECT=json.dumps(app), DATA_DIR=str(tmp_path_factory.mktemp("data"))
    )
    with web("portal.wsgi:application", env) as address:
        yield address


@pytest.fixture
def visitor(portal, university):
    university.person = ADA
    return Visitor(portal)


def events(person):
    return [(e.kind, e.payload.get("what")) for e in events_about(person.ref)]


def follow(visitor, page):
    """By the link to the university on this page, and the button it leads to."""
    visitor.get(page)
    link = html.unescape(re.search(r'href="(/accounts/oidc/uni/login/[^"]*)"', visitor.text)[1])
    return visitor.get(link).send()


def enter(visitor):
    return follow(visitor, "/accounts/login/")


def test_a_newcomer_whose_address_is_known_to_be_theirs_is_in_at_once(visitor):
    enter(visitor)
    assert (visitor.status, visitor.path) == (200, "/")
    ada = User.objects.get()
    assert (ada.email, ada.name) == ("ada@uni.example", "Ada Lovelace")
    assert EmailAddress.objects.get(user=ada).verified
    assert events(ada) == [("user.signed_up", None)]

    again = Visitor(visitor.address)
    enter(again)
    assert again.get("/accounts/profile/").path == "/accounts/profile/"
    assert (User.objects.count(), len(events(ada))) == (1, 1)


def test_a_newcomer_without_address_is_asked_for_one_and_proves_it(visitor, university):
    university.person = {"sub": "bea-1", "name": "<b>www.evil.example</b>"}
    enter(visitor)
    assert (visitor.status, visitor.path) == (200, "/accounts/3rdparty/signup/")
    visitor.send({"email": "bea@uni.example", "name": "Bea"})
    assert visitor.path == "/accounts/confirm-email/"
    bea = User.objects.get()
    assert (bea.email, bea.name) == ("bea@uni.example", "Bea")
    assert not EmailAddress.objects.get(user=bea).verified
    assert visitor.get("/accounts/profile/").path == "/accounts/confirm-email/"
    assert events(bea) == [("user.signed_up", None)]


@contextlib.contextmanager
def full_log():
    """The log takes no more security changes."""
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'full'; END $$;
            CREATE TRIGGER full_log BEFORE INSERT ON audit_event FOR EACH ROW
                WHEN (NEW.kind = 'user.security_changed') EXECUTE FUNCTION refuse_event();
        """)
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION refuse_event() CASCADE")


def test_an_institution_is_connected_and_taken_away_with_its_event_or_not_at_all(visitor):
    person = PersonFactory()
    visitor.get("/accounts/login/").send({"login": person.email, "password": PASSWORD})

    def connect():
        """Asks for the password first, unless that was answered a moment ago."""
        follow(visitor, "/accounts/3rdparty/")
        if visitor.path.startswith("/accounts/reauthenticate/"):
            visitor.send({"password": PASSWORD})
        return visitor.status

    with full_log():
        assert connect() == 500
    assert not SocialAccount.objects.exists()

    assert (connect(), visitor.path) == (200, "/accounts/3rdparty/")
    account = SocialAccount.objects.get()
    assert (account.user, account.uid) == (person, "ada-1")
    with full_log():
        visitor.send({"account": str(account.pk)})
        assert visitor.status == 500
    assert SocialAccount.objects.exists()
    visitor.get("/accounts/3rdparty/").send({"account": str(account.pk)})
    assert not SocialAccount.objects.exists()
    changed = "user.security_changed"
    assert events(person) == [(changed, "account_disconnected"), (changed, "account_connected")]


@pytest.mark.parametrize(
    ("page", "most"), [(LOGIN, 30), ("/accounts/3rdparty/signup/", 20)], ids=["login", "signup"]
)
def test_the_way_to_an_institution_has_a_limit(visitor, university, page, most):
    university.person = {"sub": "bea-1"}
    enter(visitor)  # one of the thirty; leaves the sign-up open
    left = most - int(page == LOGIN)
    tries = [visitor.get(page).send().status for _ in range(left + 1)]
    assert tries == [200] * left + [429]
