"""In which states of a grant, a key or a case each policy says yes, and until when."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications.enums import ApplicationStatus
from portal.credentials import policies
from portal.credentials.enums import CredentialStatus as C
from portal.credentials.enums import GrantStatus as G
from portal.credentials.enums import RevocationStatus as R
from portal.credentials.models import Credential, Revocation
from tests.factories.accounts import OrganizationFactory, UserFactory, suspend
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key

pytestmark = pytest.mark.django_db
REVOKE = "credentials.revoke_credentials"
AN_HOUR = timedelta(hours=1)


@pytest.fixture
def grant():
    """In force, for an organisation."""
    return GrantFactory(application__organization=OrganizationFactory())


def every(states, rest, **known):
    return {state: known.get(state.name, rest) for state in states}


IN_GRANT_STATES = {
    "request_credential": ("holder", every(G, "grant_not_active", ACTIVE="")),
    "make_test_credential": ("holder", every(G, "grant_not_active", ACTIVE="")),
    "withdraw_grant": ("holder", every(G, "", SUSPENDED="grant_suspended")),
    "view_grant": ("holder", every(G, "")),
    "manage_grant": ("responder", every(G, "")),
    "suspend_grant": ("responder", every(G, "not_active", ACTIVE="")),
    "resume_grant": ("responder", every(G, "not_suspended", SUSPENDED="")),
    "retry_activation": ("responder", every(G, "not_failed", ACTIVATION_FAILED="")),
    "revoke_grant": (
        "responder",
        every(G, "", ENDED="grant_over", REVOKED="grant_over", WITHDRAWN="grant_over"),
    ),
    "allow_new_keys": (
        "responder",
        every(G, "not_barred", ENDED="grant_over", REVOKED="grant_over", WITHDRAWN="grant_over"),
    ),
}


@pytest.mark.parametrize("name", IN_GRANT_STATES)
def test_in_which_state_of_the_grant(grant, name):
    who, expected = IN_GRANT_STATES[name]
    user = grant.holder if who == "holder" else UserFactory(permissions=[REVOKE])
    said = {}
    for status in G:
        grant.status = status
        said[status] = getattr(policies, f"can_{name}")(user, grant).code
    assert said == expected


@pytest.mark.parametrize("status", G)
def test_a_key_is_claimed_under_a_grant_in_force_only(grant, status):
    key = CredentialFactory(grant=grant)
    grant.status = status
    expected = "" if status == G.ACTIVE else "grant_not_active"
    assert policies.can_claim_credential(grant.holder, key).code == expected
    key.status = C.ACTIVE
    assert policies.key_is_rotatable(grant.holder, key).code == expected


ROTATE = every(C, "not_rotatable", ACTIVE="")
RENAME = every(C, "dead_already", REQUESTED="", READY="", ACTIVE="")
CLAIM = every(C, "not_claimable", REQUESTED="not_ready", READY="")
REVOKE_LIVE = every(C, "dead_already", REQUESTED="", READY="", ACTIVE="")


@pytest.mark.parametrize("status", C)
def test_in_which_state_of_the_key(grant, status):
    key = Credential(grant=grant, status=status, expires_at=timezone.now() + AN_HOUR)
    said = (
        policies.can_claim_credential(grant.holder, key).code,
        policies.can_revoke_live_credential(grant.holder, key).code,
        policies.can_revoke_credential(grant.holder, key).code,
        policies.can_rotate_credential(grant.holder, key).code,
        policies.can_rename_credential(grant.holder, key).code,
    )
    assert said == (CLAIM[status], REVOKE_LIVE[status], "", ROTATE[status], RENAME[status])


@pytest.mark.parametrize(
    ("until", "expected"), [(AN_HOUR, ""), (-AN_HOUR, "slot_lapsed"), (None, "slot_lapsed")]
)
def test_until_when_a_key_is_claimed(grant, until, expected):
    until = until and timezone.now() + until
    key = Credential(grant=grant, status=C.READY, expires_at=until)
    assert policies.can_claim_credential(grant.holder, key).code == expected


@pytest.mark.parametrize(
    ("until", "expected"), [(AN_HOUR, ""), (-AN_HOUR, "key_expired"), (None, "key_expired")]
)
def test_until_when_a_key_is_rotated(grant, until, expected):
    until = until and timezone.now() + until
    key = Credential(grant=grant, status=C.ACTIVE, expires_at=until)
    assert policies.can_rotate_credential(grant.holder, key).code == expected


# The key itself is the first of them.
@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], ""),
        ([C.RETIRED, C.REVOKED, C.EXPIRED, C.LAPSED], ""),
        ([C.REQUESTED], "slot_waiting"),
        ([C.READY], "slot_waiting"),
        ([C.ACTIVE], "too_many_keys"),
    ],
)
@pytest.mark.parametrize("kind", ["live", "test"])
@pytest.mark.parametrize("of_others", ["live", "test"])
@pytest.mark.parametrize("barred", [False, True])
def test_beside_which_keys_one_is_rotated(grant, others, expected, kind, of_others, barred):
    until = timezone.now() + AN_HOUR
    key = Credential(pk=1, grant=grant, kind=kind, status=C.ACTIVE, expires_at=until)
    beside = [
        Credential(pk=2 + n, grant=grant, kind=of_others, status=status)
        for n, status in enumerate(others)
    ]
    grant._prefetched_objects_cache = {"credentials": [key, *beside]}
    said = policies.key_is_rotatable(grant.holder, key, barred=barred).code
    of_this_kind = expected if kind == of_others else ""
    assert said == ("revoked_by_staff" if barred else of_this_kind)


@pytest.mark.parametrize(("test", "live"), [(0, 2), (1, 0), (1, 2), (2, 0), (2, 2)])
def test_beside_which_keys_a_test_key_is_made(grant, test, live):
    kinds = ["test"] * test + ["live"] * live
    keys = [Credential(grant=grant, kind=kind, status=C.ACTIVE) for kind in kinds]
    grant._prefetched_objects_cache = {"credentials": keys}
    expected = "too_many_keys" if test == 2 else ""
    assert policies.can_make_test_credential(grant.holder, grant).code == expected
    assert policies.can_request_credential(grant.holder, grant).code == (
        "too_many_keys" if live == 2 else ""
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], ""),
        ([C.RETIRED, C.REVOKED, C.EXPIRED, C.LAPSED], ""),
        ([C.REQUESTED], "slot_waiting"),
        ([C.READY], "slot_waiting"),
        ([C.ACTIVE], ""),
        ([C.ACTIVE, C.READY], "slot_waiting"),
        ([C.ACTIVE, C.ACTIVE], "too_many_keys"),
        ([C.ACTIVE, C.REVOKED], ""),
    ],
)
@pytest.mark.parametrize("barred", [False, True])
def test_beside_which_keys_another_is_asked_for(grant, keys, expected, barred):
    # As a page of grants has them: fetched already, and asked about at once.
    live = [Credential(grant=grant, status=status) for status in keys]
    grant._prefetched_objects_cache = {"credentials": live}
    said = policies.can_request_credential(grant.holder, grant, barred=barred).code
    assert said == ("revoked_by_staff" if barred else expected)


@pytest.mark.parametrize(("ends", "expected"), [(AN_HOUR, ""), (-AN_HOUR, "grant_over")])
def test_a_grant_whose_time_is_up_gives_no_key_whatever_the_sweep_did(grant, ends, expected):
    grant.ends_at = timezone.now() + ends
    key = Credential(pk=1, grant=grant, status=C.ACTIVE, expires_at=timezone.now() + AN_HOUR)
    said = (
        policies.can_request_credential(grant.holder, grant).code,
        policies.can_make_test_credential(grant.holder, grant).code,
        policies.can_rotate_credential(grant.holder, key).code,
    )
    assert said == (expected,) * 3


@pytest.mark.parametrize("by_staff", [False, True])
def test_a_grant_whose_key_staff_revoked_is_barred_until_they_allow_another(grant, by_staff):
    CredentialFactory(
        grant=grant,
        status=C.REVOKED,
        revoked_at=timezone.now(),
        revoked_by=grant.holder,
        revoked_reason="misuse",
        revoked_by_staff=by_staff,
    )
    responder = UserFactory(permissions=[REVOKE])
    claimed, _token = make_live_key(grant=grant)
    said = (
        policies.can_request_credential(grant.holder, grant).code,
        policies.can_make_test_credential(grant.holder, grant).code,
        policies.can_rotate_credential(grant.holder, claimed).code,
        policies.can_allow_new_keys(responder, grant).code,
    )
    no = "revoked_by_staff"
    assert said == ((no, no, no, "") if by_staff else ("", "", "", "not_barred"))


@pytest.mark.parametrize("status", R)
def test_in_which_state_a_case_is_decided(status):
    case = Revocation(ref="CASE-1", status=status)
    expected = "" if status == R.PREVIEWED else "decided"
    said = policies.can_decide_revocation(UserFactory(permissions=[REVOKE]), case).code
    assert (said, policies.can_decide_revocation(UserFactory(), case).code) == (
        expected,
        "no_permission",
    )


def case_like(status, **fields):
    return Revocation(ref="CASE-1", status=status, **fields)


@pytest.mark.parametrize("status", R)
def test_in_which_state_what_is_done_with_a_case(status):
    """What each act answers in each state; "" is yes."""
    me, other = UserFactory(permissions=[REVOKE]), UserFactory()
    now = timezone.now()
    undecided = status in (R.PREVIEWED, R.AWAITING_SECOND)
    under_way = status in (R.RUNNING, R.COMPLETED_WITH_STRAGGLERS)
    plain = case_like(status, asked_by=other)
    mine = case_like(status, asked_by=me, contained_at=now, contained_by=me)
    theirs = case_like(status, asked_by=other, contained_at=now, contained_by=other)
    paused = case_like(status, paused_at=now, paused_by=me)

    def said(policy, *cases):
        return [policy(me, case).code for case in cases]

    decided = "decided"
    assert said(policies.can_approve_revocation, plain, mine) == (
        ["", "same_person"] if status == R.AWAITING_SECOND else ["not_asked"] * 2
    )
    assert said(policies.can_contain_revocation, plain, mine) == (
        ["", "contained"] if undecided else [decided] * 2
    )
    assert said(policies.can_cancel_revocation, plain, mine, theirs) == (
        ["", "same_person", ""] if undecided else [decided] * 3
    )
    assert said(policies.can_pause_revocation, plain, paused) == (
        ["" if under_way else "not_running", "paused"]
    )
    assert said(policies.can_resume_revocation, plain, paused) == ["not_paused", ""]


@pytest.mark.parametrize("status", ApplicationStatus)
@pytest.mark.parametrize("until", [None, AN_HOUR, -AN_HOUR])
def test_when_an_offer_is_taken_up(status, until):
    offer = ApplicationFactory(status=status)
    offer.expires_at = until and timezone.now() + until
    lapsed = "offer_lapsed" if until == -AN_HOUR else ""
    expected = lapsed if status == ApplicationStatus.APPROVED else "no_offer"
    assert policies.can_accept_offer(offer.applicant, offer).code == expected


def leave(grant):
    grant.holder.memberships.all().delete()


def halt(grant):
    grant.phase.halted_at, grant.phase.halted_by = timezone.now(), UserFactory()
    grant.phase.save()


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        (leave, "not_a_member"),
        (halt, "phase_halted"),
        (lambda grant: suspend(grant.organization), "organization_suspended"),
    ],
)
def test_what_happens_after_approval_stops_offer_and_key(grant, happened, expected):
    key = CredentialFactory(grant=grant)
    grant.application.status = ApplicationStatus.APPROVED
    happened(grant)
    said = (
        policies.can_accept_offer(grant.holder, grant.application).code,
        policies.can_claim_credential(grant.holder, key).code,
        policies.can_make_test_credential(grant.holder, grant).code,
        policies.slot_is_claimable(grant.holder, key).code,
    )
    assert said == (expected, expected, expected, "")
