"""Rotating, claiming, using, revoking and suspending at the same moment, by real threads.

Whatever comes first, there are never more than two live secrets of a kind, and whoever says no
wins.
"""

from functools import partial

import pytest

from accounts.services import suspend_user
from portal.audit.models import Event
from portal.audit.services import System
from portal.credentials.models import Credential
from portal.credentials.secrets import Minted
from portal.credentials.services import (
    close_what_is_over,
    issue_credential,
    make_test_credential,
    remind_of_expiry,
    request_credential,
    revoke_credential,
    revoke_grant,
    rotate_credential,
    start_overlap,
    suspend_grant,
)
from portal.credentials.services.rotating import LEAKED, USUAL_OVERLAP
from portal.errors import DomainError
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.faults.test_races import access, bulk, count, sorted_by_kind

pytestmark = pytest.mark.django_db(transaction=True)

GATEWAY, CLOCK = System("gateway"), System("clock")
ROUNDS = range(4)


def rotating(key, **more):
    return partial(rotate_credential, kid=key.kid, by=key.grant.holder, **more)


def tokens(done):
    """The keys that were shown to anybody."""
    minted = [each for pair in done if isinstance(pair, tuple) for each in pair]
    return [each.token for each in minted if isinstance(each, Minted)]


def live(kind="live"):
    return Credential.objects.filter(status__in=["requested", "ready", "active"], kind=kind)


@pytest.mark.parametrize(
    ("overlap", "code", "alive"),
    [(USUAL_OVERLAP, "too_many_keys", 2), (LEAKED, "not_rotatable", 1)],
)
def test_ten_rotations_at_once_make_one_key(concurrently, overlap, code, alive):
    key, _token = stories.claimed()
    done, refused = sorted_by_kind(concurrently(*[rotating(key, overlap=overlap)] * 10))
    assert (len(done), {error.code for error in refused}) == (1, {code})
    assert live().count() == alive
    assert (count("credential.rotated"), count("credential.claimed")) == (1, 2)


def test_ten_test_keys_at_once_are_two(concurrently):
    grant = stories.claimed()[0].grant
    make = partial(make_test_credential, grant_id=grant.pk, by=grant.holder)
    done, refused = sorted_by_kind(concurrently(*[make] * 10))
    assert (len(done), {error.code for error in refused}) == (2, {"too_many_keys"})
    assert live("test").count() == 2


@pytest.mark.parametrize("round_", ROUNDS)
def test_rotating_against_asking_for_another_is_never_three(concurrently, round_):
    key, _token = stories.claimed()
    ask = partial(request_credential, grant_id=key.grant_id, by=key.grant.holder)
    issue = partial(issue_credential, grant_id=key.grant_id, by=stories.WORKER)
    done, refused = sorted_by_kind(concurrently(rotating(key), ask, ask, issue, rotating(key)))
    codes = {error.code for error in refused}
    assert (live().count(), len(refused)) == (2, 3)
    # One of the two ways was first, and the words are about what stands in the way of the others.
    assert codes == ({"too_many_keys"} if tokens(done) else {"slot_waiting"})


def stopping(key, by):
    """Each way to say no, with whether what was made in the meantime may go on."""
    grant, holder = key.grant, key.grant.holder
    return {
        "revoke": partial(revoke_credential, kid=key.kid, reason="misuse", by=by),
        "revoke grant": partial(revoke_grant, grant_id=grant.pk, reason="misuse", by=by),
        "suspend grant": partial(suspend_grant, grant_id=grant.pk, by=by),
        "suspend holder": partial(suspend_user, user_id=holder.pk, by=by),
        "bulk": bulk(by, person=holder.ref),
    }


@pytest.mark.parametrize("overlap", [USUAL_OVERLAP, LEAKED])
@pytest.mark.parametrize(
    "way", ["revoke", "revoke grant", "suspend grant", "suspend holder", "bulk"]
)
def test_whoever_says_no_wins(concurrently, way, overlap):
    key, old = stories.claimed()
    by = UserFactory(
        is_staff=True,
        permissions=["credentials.revoke_credentials", "accounts.suspend_user"],
    )
    grant, holder = key.grant, key.grant.holder
    test = partial(make_test_credential, grant_id=grant.pk, by=holder)
    done, refused = sorted_by_kind(
        concurrently(rotating(key, overlap=overlap), stopping(key, by)[way], test)
    )
    codes = {error.code for error in refused}
    assert codes <= {
        "not_rotatable",
        "grant_not_active",
        "revoked_by_staff",
        "account_suspended",
        "applicant_suspended",
        "preview_grew",
    }
    # A bulk revocation that would leave a new key alive refuses, and says so; all else goes on.
    if "preview_grew" in codes:
        assert (way, codes) == ("bulk", {"preview_grew"})
        return
    assert not access(key, old)
    dead = way != "revoke"  # which kills the one key it names
    assert [access(key, token) for token in tokens(done)].count(True) <= (0 if dead else 2)
    for another in (rotating(key), test):
        with pytest.raises(DomainError):
            another()


def test_ten_first_uses_at_once_start_one_clock(concurrently):
    key, _token = stories.claimed()
    new, _minted = rotating(key)()
    start = partial(start_overlap, kid=new.kid, by=GATEWAY)
    assert sorted(concurrently(*[start] * 10)) == [False] * 9 + [True]
    new = stories.again(new)
    assert stories.again(key).expires_at == new.overlap_started_at + USUAL_OVERLAP
    assert count("credential.overlap_started") == 1


@pytest.mark.parametrize("round_", ROUNDS)
def test_use_sweep_rename_and_revocation_never_wait_in_a_ring(concurrently, round_):
    key, _token = stories.claimed()
    new, minted = rotating(key)()
    ends = stories.again(key).expires_at
    calls = [
        partial(start_overlap, kid=new.kid, by=GATEWAY),
        partial(close_what_is_over, by=CLOCK),
        partial(remind_of_expiry, by=CLOCK),
        partial(revoke_credential, kid=key.kid, reason="no_longer_needed", by=key.grant.holder),
        partial(revoke_grant, grant_id=key.grant_id, reason="misuse", by=stories.responder()),
    ]
    _done, refused = sorted_by_kind(concurrently(*calls, calls[0]))
    assert refused == []
    assert not access(new, minted.token)
    assert set(Credential.objects.values_list("status", flat=True)) == {"revoked"}
    assert stories.again(key).expires_at <= ends
    assert Event.objects.filter(kind="credential.overlap_started").count() <= 1
