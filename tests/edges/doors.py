"""A key, the gateway of its release, and the two doors to try it at."""

from urllib.parse import urlencode

from django.utils import timezone

from portal.credentials import secrets
from portal.credentials.enums import CredentialStatus
from portal.credentials.models import Credential
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway

INTROSPECT, AUTHORIZE = "/oauth/introspect", "/gateway/authorize"
FORM = "application/x-www-form-urlencoded"


class Key:
    """A live key, the gateway of its release, and the two doors to try it at."""

    def __init__(self, client, *, sandbox=False, **fields):
        self.client = client
        self.credential, self.token = make_live_key(**fields)
        release = self.credential.grant.phase.release
        gateway, secret = make_gateway(release, name=release.slug, sandbox=sandbox)
        self.gateway, self.basic = gateway, basic(gateway.client_id, secret)

    def introspect(self, token=None, **extra):
        body = urlencode({"token": self.token if token is None else token})
        return self.client.post(
            INTROSPECT, body, content_type=FORM, headers={"Authorization": self.basic}, **extra
        )

    def authorize(self, token=None, query="?scope=model:infer", **headers):
        given = {
            "X-Gateway-Authorization": self.basic,
            "Authorization": f"Bearer {self.token if token is None else token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.client.get(
            AUTHORIZE + query, headers={k: v for k, v in given.items() if v is not None}
        )

    def others(self):
        """Keys that must be indistinguishable: unknown, wrong, revoked, of another release."""
        revoked, revoked_token = make_live_key(grant=self.credential.grant, kid=secrets.new_kid())
        Credential.objects.filter(pk=revoked.pk).update(
            status=CredentialStatus.REVOKED,
            revoked_at=timezone.now(),
            revoked_by=UserFactory(),
        )
        return [
            secrets.mint(secrets.new_kid()).token,
            secrets.mint(self.credential.kid).token,
            revoked_token,
            make_live_key()[1],
            make_live_key(grant=self.credential.grant, kind="test")[1],
            "tpk_live_junk",
        ]
