"""What people call their keys."""

import pytest

from portal.credentials import secrets
from portal.credentials.services import rename_credential, revoke_credential
from portal.errors import NotAllowed
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.log import written

pytestmark = pytest.mark.django_db


def rename(key, name, *, by=None):
    with written() as log:
        rename_credential(kid=key.kid, name=name, by=by or key.grant.holder)
    return stories.again(key).name, [line[:2] for line in log]


def test_a_key_gets_another_name_and_the_log_does_not_say_which():
    key, token = make_live_key(name="Old")
    renamed = [("credential.renamed", key.kid)]
    assert rename(key, "  New machine ") == ("New machine", renamed)
    assert rename(key, "New machine") == ("New machine", [])
    assert rename(key, "x" * 101) == ("x" * 100, renamed)
    assert rename(key, token) == ("tpk_live_[redacted]", renamed)
    assert rename(key, "") == ("", renamed)


def test_a_stranger_and_a_dead_key_are_refused():
    key, _token = make_live_key(name="Mine")
    with pytest.raises(NotAllowed) as refused:
        rename(key, "Yours", by=UserFactory())
    assert refused.value.code == "not_yours"
    revoke_credential(kid=key.kid, reason="misuse", by=key.grant.holder)
    with pytest.raises(NotAllowed) as refused:
        rename(key, secrets.new_kid())
    assert (refused.value.code, stories.again(key).name) == ("dead_already", "Mine")
