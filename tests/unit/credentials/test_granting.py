"""Pausing, ending and giving up grants; revoking one key; what time alone does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    close_what_is_over,
    preview_revocation,
    resume_grant,
    revoke_credential,
    revoke_grant,
    rotate_credential,
    start_revocation,
    suspend_grant,
    withdraw_grant,
)
from portal.credentials.services.rotating import LEAKED
from portal.credentials.targets import Selector
from portal.credentials.verification import explain
from portal.errors import Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.cases import typed
from tests.log import written

pytestmark = pytest.mark.django_db
CLOCK = type(stories.WORKER)("clock")


def live():
    key, _token = stories.claimed()
    return key, key.grant, key.grant.application.ref


def templates():
    return list(OutgoingMail.objects.order_by("id").values_list("template", flat=True))


def test_suspending_refuses_the_keys_and_resuming_lets_them_through():
    (key, grant, thread), responder = live(), stories.responder()
    with written() as log:
        suspend_grant(grant_id=grant.pk, by=responder)
        assert explain(key.kid).code == "grant_not_active"
        resume_grant(grant_id=grant.pk, by=responder)
    assert explain(key.kid)
    assert log == [
        ("grant.suspended", grant.ref, thread, responder.ref),
        ("grant.activated", grant.ref, thread, responder.ref),
    ]
    assert stories.again(key).status == "active"


def test_only_a_suspended_grant_is_resumed():
    grant, responder = stories.opened(), stories.responder()
    with written() as log, pytest.raises(NotAllowed) as refused:
        resume_grant(grant_id=grant.pk, by=responder)
    assert (refused.value.code, log) == ("not_suspended", [])
    assert stories.again(grant).status == "activating"


def test_revoking_a_grant_kills_every_key_and_slot_under_it():
    (key, grant, thread), responder = live(), stories.responder()
    with written() as log:
        revoke_grant(grant_id=grant.pk, reason="misuse", by=responder)
    assert log == [
        ("grant.revoked", grant.ref, thread, responder.ref),
        ("credential.revoked", key.kid, thread, responder.ref),
    ]
    key.refresh_from_db()
    assert (key.status, key.revoked_by, key.revoked_reason) == ("revoked", responder, "misuse")
    assert explain(key.kid).code == "key_revoked"
    assert templates()[-1] == "credentials/grant_revoked"
    with pytest.raises(NotAllowed) as refused:
        revoke_grant(grant_id=grant.pk, reason="misuse", by=responder)
    assert refused.value.code == "grant_over"


def test_giving_a_grant_up_ends_its_keys():
    key, grant, thread = live()
    with written() as log:
        withdraw_grant(grant_id=grant.pk, by=grant.holder)
    assert log == [
        ("grant.withdrawn", grant.ref, thread, grant.holder.ref),
        ("credential.revoked", key.kid, thread, grant.holder.ref),
    ]
    assert explain(key.kid).code == "key_revoked"


def test_who_is_suspended_cannot_slip_away_by_giving_up():
    _key, grant, _thread = live()
    suspend_grant(grant_id=grant.pk, by=stories.responder())
    with pytest.raises(NotAllowed) as refused:
        withdraw_grant(grant_id=grant.pk, by=grant.holder)
    assert refused.value.code == "grant_suspended"


@pytest.mark.parametrize(
    "act",
    [
        lambda grant, by: suspend_grant(grant_id=grant.pk, by=by),
        lambda grant, by: resume_grant(grant_id=grant.pk, by=by),
        lambda grant, by: revoke_grant(grant_id=grant.pk, reason="misuse", by=by),
    ],
)
def test_grants_are_managed_by_responders_only(act):
    key, grant, _thread = live()
    for person in (grant.holder, UserFactory(), stories.decider(), stories.manager()):
        with written() as log, pytest.raises(NotAllowed):
            act(grant, person)
        assert log == []
    assert explain(key.kid)


@pytest.mark.parametrize("way", ["one key", "in bulk"])
def test_staff_who_come_second_bar_new_keys_all_the_same(way):
    """They saw a key that lived; its holder was quicker, with another in its place."""
    key, _token = stories.claimed()
    holder, responder = key.grant.holder, stories.responder()
    case = preview_revocation(
        selector=Selector(kids=key.kid), reason="misuse", note="", by=responder
    )
    new, _minted = rotate_credential(kid=key.kid, by=holder, overlap=LEAKED)
    with written() as log:
        if way == "one key":
            revoke_credential(kid=key.kid, reason="misuse", by=responder)
        else:
            start_revocation(revocation_id=case.pk, by=responder, **typed(case))
    kinds = [kind for kind, subject, *_ in log if subject == key.kid]
    assert kinds == ["credential.revoked_by_staff_too"]
    with pytest.raises(NotAllowed) as refused:
        rotate_credential(kid=new.kid, by=holder)
    assert refused.value.code == "revoked_by_staff"
    with written() as log:
        revoke_credential(kid=key.kid, reason="misuse", by=responder)
    assert log == []


def test_revoking_one_key_is_one_event_one_mail_and_twice_is_once():
    (key, grant, thread), responder = live(), stories.responder()
    with written() as log:
        for _ in range(2):
            revoke_credential(kid=key.kid, reason="key_leaked", by=responder)
    assert log == [("credential.revoked", key.kid, thread, responder.ref)]
    assert templates().count("credentials/key_revoked") == 1
    assert stories.again(grant).status == "active"


@pytest.mark.parametrize("reason", ["", "because", "KEY_LEAKED"])
def test_a_reason_nobody_knows_revokes_nothing(reason):
    key, grant, _thread = live()
    with pytest.raises(Invalid):
        revoke_credential(kid=key.kid, reason=reason, by=grant.holder)
    with pytest.raises(Invalid):
        revoke_grant(grant_id=grant.pk, reason=reason, by=stories.responder())
    assert explain(key.kid)


def test_who_may_revoke_a_key():
    key, grant, _thread = live()
    organization = OrganizationFactory()
    Grant.objects.update(organization=organization)
    people = {"stranger": UserFactory(), "holder": grant.holder, "staff": stories.responder()}
    for role in ("owner", "technical_contact", "signing_official", "member"):
        people[role] = UserFactory()
        people[role].memberships.create(organization=organization, role=role)
    from portal.credentials.policies import can_revoke_credential, can_view_grant  # noqa: PLC0415

    key = Credential.objects.select_related("grant").get()
    assert {name for name, who in people.items() if can_revoke_credential(who, key)} == {
        "holder",
        "staff",
        "owner",
        "technical_contact",
    }
    assert {name for name, who in people.items() if can_view_grant(who, key.grant)} == {
        "holder",
        "owner",
        "technical_contact",
    }


@pytest.mark.parametrize(
    ("make", "after", "event"),
    [
        (stories.ready, "lapsed", "credential.lapsed"),
        (lambda: stories.claimed()[0], "expired", "credential.expired"),
    ],
)
def test_time_closes_keys_and_slots_once(make, after, event):
    key = make()
    assert close_what_is_over(by=CLOCK) == 0
    Credential.objects.update(expires_at=timezone.now())
    with written() as log:
        assert close_what_is_over(by=CLOCK) == 1
        assert close_what_is_over(by=CLOCK) == 0
    assert log == [(event, key.kid, key.grant.application.ref, "system:clock")]
    assert stories.again(key).status == after
    assert templates()[-1] == "credentials/key_over"


@pytest.mark.parametrize(
    "status", ["scheduled", "activating", "activation_failed", "active", "suspended"]
)
def test_time_ends_grants_and_frees_their_places(status):
    key, grant, thread = live()
    past = timezone.now() - timedelta(minutes=1)
    Grant.objects.update(status=status, starts_at=past - timedelta(days=1), ends_at=past)
    Credential.objects.update(expires_at=past)
    with written() as log:
        assert close_what_is_over(by=CLOCK) == 2
    assert log == [
        ("credential.expired", key.kid, thread, "system:clock"),
        ("grant.ended", grant.ref, thread, "system:clock"),
    ]
    from portal.credentials.selectors import places_taken  # noqa: PLC0415

    assert places_taken(grant.phase) == 0


def test_a_slot_still_asked_for_when_its_grant_ends_is_not_left_waiting():
    grant = stories.opened()
    from portal.credentials.services import issue_credential  # noqa: PLC0415

    Grant.objects.update(status="active", ends_at=timezone.now())
    close_what_is_over(by=CLOCK)
    slot = grant.credentials.get()
    assert (stories.again(grant).status, slot.status) == ("ended", "lapsed")
    assert issue_credential(grant_id=grant.pk, by=stories.WORKER) == 0
