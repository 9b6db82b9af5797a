"""A key that ends itself."""

import pytest

from accounts.models import User
from portal.credentials import secrets
from portal.credentials.models import Credential
from portal.mail.models import OutgoingMail
from tests.edges.programs import NO_USE, REFUSED, REVOKE, Gateway, Key, plain, post, refusal
from tests.factories.credentials import make_live_key
from tests.log import events_about

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client)


@pytest.fixture
def gateway(client, key):
    return Gateway(client, key.release)


def test_a_key_ends_itself_and_its_holder_is_told(key, gateway):
    token = key.token()
    response = key.revoke()
    assert (response.status_code, response.content) == (200, b"{}")
    assert response["Cache-Control"] == "no-store"
    assert gateway.introspect(key.secret).content == b'{"active": false}'
    assert gateway.introspect(token).content == b'{"active": false}'
    credential = Credential.objects.get(kid=key.kid)
    assert (credential.status, credential.revoked_by, credential.revoked_with_key) == (
        "revoked",
        None,
        True,
    )
    assert (credential.revoked_reason, credential.revoked_by_staff) == ("no_longer_needed", False)
    (event,) = events_about(key.kid)
    assert (event.kind, event.actor, event.payload["reason"]) == (
        "credential.revoked",
        "system:oauth",
        "no_longer_needed",
    )
    (mail,) = OutgoingMail.objects.filter(template="credentials/key_revoked_with_key")
    assert (mail.to, mail.context["kid"]) == (key.credential.grant.holder.email, key.kid)


def test_in_the_body_and_with_any_hint(key, client):
    fields = {"client_id": key.kid, "client_secret": key.secret, "token": key.secret}
    assert post(client, REVOKE, fields | {"token_type_hint": "nonsense"}).status_code == 200
    assert key.state() == "revoked"


@pytest.mark.parametrize("suspend", ["suspended", "halted"])
def test_a_key_that_access_is_denied_to_can_still_be_ended(key, suspend):
    """It may come back to life, and in the wrong hands."""
    NO_USE[suspend](key)
    assert key.revoke().status_code == 200
    assert key.state() == "revoked"


def test_a_dead_key_is_told_no_more_than_a_made_up_one(client):
    answers = []
    for name in (
        "unknown",
        "wrong",
        "of another",
        "under another id",
        "junk",
        "revoked",
        "retired",
    ):
        key = Key(client)
        NO_USE[name](key)
        answers.append(key.revoke())
    once_more = Key(client)
    once_more.revoke()
    answers.append(once_more.revoke())
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(answers)
    assert (refusal(answers[0]), answers[0]["WWW-Authenticate"]) == (
        (401, "invalid_client"),
        REFUSED,
    )
    assert events_about(once_more.kid).count() == 1


def test_whatever_is_not_the_key_itself_is_left_alone_and_not_told_about(key, client):
    sibling, of_sibling = make_live_key(grant=key.credential.grant)
    other, of_other = make_live_key()
    tokens = [of_sibling, of_other, secrets.mint(key.kid).token, key.kid, "junk", key.secret + "x"]
    answers = [key.revoke(token) for token in tokens]
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(tokens)
    assert (answers[0].status_code, answers[0].content) == (200, b"{}")
    assert set(Credential.objects.values_list("status", flat=True)) == {"active"}
    assert [list(events_about(each.kid)) for each in (sibling, other, key.credential)] == [[]] * 3


def test_a_token_cannot_be_revoked_and_that_tells_nothing_about_it(key, client):
    answers = [key.revoke(token) for token in (key.token(), Key(client).token(), "a.b.c")]
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * 3
    assert refusal(answers[0]) == (400, "unsupported_token_type")
    assert key.state() == "active"


def test_the_token_to_revoke_must_be_named(key):
    assert refusal(key.revoke("")) == (400, "invalid_request")
    assert key.state() == "active"


def test_staff_read_that_nobody_knows_who_it_was(key, client):
    key.revoke()
    client.force_login(User.objects.create_superuser("root@example.org", name="R"))
    page = client.get(f"/admin/credentials/credential/{key.kid}/change/").content.decode()
    assert "with the key itself, by whoever had it: No longer needed" in page
    assert "by None" not in page
