"""Programs and gateways at the OAuth doors, and keys that are of no use there."""

from datetime import timedelta
from urllib.parse import urlencode

from django.utils import timezone

from portal.credentials import secrets
from portal.credentials.models import Credential
from portal.variables import SigningSeed
from tests.factories.accounts import UserFactory
from tests.factories.cases import confirmed_case, contained_case
from tests.factories.credentials import make_live_key
from tests.factories.freezes import place
from tests.factories.gateway import basic, make_gateway
from tests.factories.stories import responder

TOKEN, REVOKE, INTROSPECT = "/oauth/token", "/oauth/revoke", "/oauth/introspect"
JWKS, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
FORM = "application/x-www-form-urlencoded"
SCOPES = ["cyber:scan", "model:infer"]
REFUSED = 'Basic realm="keys", charset="UTF-8"'
# What signs, where a test must know it, and what signs elsewhere.
OURS, THEIRS = SigningSeed("ours", b"1" * 32), SigningSeed("theirs", b"2" * 32)


class Key:
    """A live key and what its holder's program can ask with it."""

    def __init__(self, client, **fields):
        self.client = client
        self.credential, self.secret = make_live_key(**{"grant__scopes": SCOPES} | fields)
        self.kid, self.release = self.credential.kid, self.credential.grant.phase.release

    def ask(self, address=TOKEN, fields=(), kid=None, secret=None, **headers):
        """By HTTP Basic; `fields` are pairs or a dict."""
        known = basic(kid or self.kid, self.secret if secret is None else secret)
        headers = {"Authorization": known} | headers
        return post(self.client, address, fields, **headers)

    def exchange(self, **fields):
        return self.ask(fields={"grant_type": "client_credentials"} | fields)

    def revoke(self, token=None, **fields):
        token = self.secret if token is None else token
        return self.ask(REVOKE, {"token": token} | fields)

    def token(self, **fields):
        return self.exchange(**fields).json()["access_token"]

    def state(self):
        return Credential.objects.get(kid=self.kid).status


def post(client, address, fields, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(address, urlencode(fields), content_type=FORM, headers=headers)


class Gateway:
    """Of the key's release unless told another; asks about tokens."""

    def __init__(self, client, release, *, sandbox=False):
        self.client, self.audience = client, release.audience
        gateway, secret = make_gateway(release, name=f"At {release.slug}", sandbox=sandbox)
        self.basic = basic(gateway.client_id, secret)

    def introspect(self, token):
        return post(self.client, INTROSPECT, {"token": token}, Authorization=self.basic)

    def authorize(self, token, scope="model:infer"):
        headers = {"Authorization": f"Bearer {token}", "X-Gateway-Authorization": self.basic}
        return self.client.get(f"/gateway/authorize?scope={scope}", headers=headers)


def plain(response):
    """Everything about an answer but the id that differs each time."""
    headers = {k: v for k, v in response.headers.items() if k != "X-Request-Id"}
    return response.status_code, headers, response.content


def refusal(response):
    return response.status_code, response.json()["error"]


def change(**fields):
    return lambda key: Credential.objects.filter(pk=key.credential.pk).update(**fields)


def halt(key):
    phase = key.credential.grant.phase
    phase.halted_at, phase.halted_by = timezone.now(), UserFactory()
    phase.save()


def revoke(key):
    change(status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory())(key)


NO_USE = {
    "unknown": lambda key: setattr(key, "secret", secrets.mint(secrets.new_kid()).token),
    "wrong": lambda key: setattr(key, "secret", secrets.mint(key.kid).token),
    "of another": lambda key: setattr(key, "secret", make_live_key()[1]),
    "under another id": lambda key: setattr(key, "kid", make_live_key()[0].kid),
    "junk": lambda key: setattr(key, "secret", "tpk_live_junk"),
    "its id again": lambda key: setattr(key, "secret", key.kid),
    "revoked": revoke,
    "expired": change(expires_at=timezone.now() - timedelta(seconds=1)),
    "retired": change(status="retired"),
    "suspended": lambda key: type(key.credential.grant).objects.update(status="suspended"),
    "halted": halt,
    "frozen": lambda key: place("release", key.release.ref),
    "contained": lambda key: contained_case(responder(), key.credential),
    "confirmed": lambda key: confirmed_case(responder(), key.credential),
}
