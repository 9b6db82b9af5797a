"""From an open grant to a slot, by workers that run twice, late, or fail."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from portal.credentials import selectors, tasks
from portal.credentials.lifecycle import CLAIM_WITHIN
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    issue_credential,
    note_issue_failure,
    request_credential,
    retry_activation,
    revoke_credential,
    revoke_grant,
)
from portal.credentials.services.issuing import LONGEST_PAUSE
from portal.errors import NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.stories import again
from tests.log import written

pytestmark = pytest.mark.django_db
WORKER = stories.WORKER


def issue(grant):
    return issue_credential(grant_id=grant.pk, by=WORKER)


def fail(grant, times=1):
    for _ in range(times):
        note_issue_failure(grant_id=grant.pk, error="OperationalError", by=WORKER)
    return stories.again(grant)


def age(grant):
    """As if a minute had gone by since anybody touched it."""
    ago = timezone.now() - timedelta(minutes=1)
    Grant.objects.filter(pk=grant.pk).update(opened_at=ago, next_attempt_at=ago)
    grant.credentials.update(requested_at=ago)


def templates():
    return list(OutgoingMail.objects.order_by("id").values_list("template", flat=True))


def test_issuing_makes_the_grant_active_and_its_slot_ready_without_a_secret():
    grant = stories.opened()
    with written() as log:
        assert issue(grant) == 1
    slot = grant.credentials.get()
    thread, worker = grant.application.ref, "system:worker"
    assert log == [
        ("grant.activated", grant.ref, thread, worker),
        ("credential.ready", slot.kid, thread, worker),
    ]
    assert (slot.status, slot.digest, slot.pepper_version) == ("ready", None, None)
    assert slot.expires_at - slot.ready_at == CLAIM_WITHIN
    assert stories.again(grant).status == "active"
    assert templates().count("credentials/key_ready") == 1


def test_issuing_again_does_nothing_at_all():
    grant = stories.opened()
    issue(grant)
    before = Credential.objects.values().get(), Grant.objects.values().get(), templates()
    with written() as log:
        assert issue(grant) == 0
    assert log == []
    assert (Credential.objects.values().get(), Grant.objects.values().get(), templates()) == before


def test_a_slot_never_waits_past_its_grants_end():
    grant = stories.opened()
    grant.ends_at = timezone.now() + timedelta(hours=1)
    grant.save()
    issue(grant)
    assert grant.credentials.get().expires_at == grant.ends_at


def test_a_slot_under_a_revoked_grant_stays_dead():
    grant = stories.opened()
    revoke_grant(grant_id=grant.pk, reason="misuse", by=stories.responder())
    assert issue(grant) == 0
    assert grant.credentials.get().status == "revoked"


def test_failures_are_counted_wait_longer_and_are_told_after_five():
    grant = stories.opened()
    with written() as log:
        for attempt in range(1, 5):
            fail(grant)
            grant.refresh_from_db()
            wait = (grant.next_attempt_at - timezone.now()).total_seconds()
            assert (grant.status, grant.attempts) == ("activating", attempt)
            assert 5 * 2**attempt - 5 < wait <= 5 * 2**attempt
            assert selectors.unfinished_grants() == []
    assert log == []
    with written() as log:
        grant = fail(grant)
    assert log == [
        ("grant.activation_failed", grant.ref, grant.application.ref, "system:worker"),
    ]
    assert (grant.status, grant.last_error) == ("activation_failed", "OperationalError")
    assert templates()[-1] == "credentials/activation_failed"
    assert selectors.unfinished_by_kind()["issue"].dead == 1
    assert fail(grant).attempts == 5


def test_a_failed_activation_is_retried_with_a_fresh_count():
    grant, responder = fail(stories.opened(), times=5), stories.responder()
    with written() as log:
        retry_activation(grant_id=grant.pk, by=responder)
    grant.refresh_from_db()
    assert log == [("grant.opened", grant.ref, grant.application.ref, responder.ref)]
    assert (grant.status, grant.attempts, grant.last_error) == ("activating", 0, "")
    assert issue(grant) == 1
    with pytest.raises(NotAllowed) as refused:
        retry_activation(grant_id=grant.pk, by=responder)
    assert refused.value.code == "not_failed"


def test_a_grant_that_starts_later_is_not_started_by_a_retry():
    grant = stories.opened()
    Grant.objects.filter(pk=grant.pk).update(
        status="scheduled", starts_at=timezone.now() + timedelta(days=1)
    )
    with pytest.raises(NotAllowed):
        retry_activation(grant_id=grant.pk, by=stories.responder())
    assert issue(grant) == 1  # looked at, and left as it is
    assert (stories.again(grant).status, grant.credentials.get().status) == (
        "scheduled",
        "requested",
    )
    Grant.objects.update(starts_at=timezone.now())
    issue(grant)
    assert (stories.again(grant).status, grant.credentials.get().status) == ("active", "ready")


def test_success_forgets_earlier_failures_so_that_the_next_key_is_not_held_back():
    grant = fail(stories.opened(), times=4)
    issue(grant)
    grant.refresh_from_db()
    assert (grant.attempts, grant.last_error) == (0, "")
    assert grant.next_attempt_at <= timezone.now()


def test_a_second_key_that_fails_is_tried_without_end_at_most_an_hour_apart():
    grant = stories.claimed()[0].grant
    request_credential(grant_id=grant.pk, by=grant.holder)
    grant = fail(grant, times=12)
    assert (grant.status, grant.attempts) == ("active", 12)
    assert grant.next_attempt_at - timezone.now() <= LONGEST_PAUSE


def test_a_task_that_fails_is_counted_on_the_row(caplog):
    grant = stories.opened()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE mail_outgoingmail RENAME TO out_of_reach")
    with written() as log:
        tasks.issue_credential(grant.pk)
    grant.refresh_from_db()
    assert (log, grant.status, grant.attempts, grant.last_error) == (
        [],
        "activating",
        1,
        "ProgrammingError",
    )
    assert grant.credentials.get().status == "requested"
    assert f"issuing under grant {grant.pk} failed" in caplog.text


def test_reconcile_finds_a_grant_nobody_finished_but_not_one_just_opened():
    grant = stories.opened()
    assert selectors.unfinished_grants() == []
    age(grant)
    assert selectors.unfinished_grants() == [grant.pk]
    issue(grant)
    assert selectors.unfinished_grants() == []


def test_reconcile_finds_a_later_key_nobody_made_ready():
    grant = stories.claimed()[0].grant
    request_credential(grant_id=grant.pk, by=grant.holder)
    age(grant)
    assert selectors.unfinished_grants() == [grant.pk]


def test_asking_for_another_key():
    grant = stories.claimed()[0].grant
    with written() as log:
        slot = request_credential(grant_id=grant.pk, by=grant.holder)
    assert log == [("credential.requested", slot.kid, grant.application.ref, grant.holder.ref)]
    assert (slot.status, slot.scopes) == ("requested", grant.scopes)


def refusal(grant, by):
    with written() as log, pytest.raises(NotAllowed) as refused:
        request_credential(grant_id=grant.pk, by=by)
    assert log == []
    return refused.value.code


def test_when_another_key_is_refused():
    waiting = stories.ready().grant
    assert refusal(waiting, waiting.holder) == "slot_waiting"
    assert refusal(waiting, UserFactory()) == "not_yours"

    key, _token = stories.claimed()
    grant, holder = key.grant, key.grant.holder
    request_credential(grant_id=grant.pk, by=holder)
    assert refusal(grant, holder) == "slot_waiting"
    issue(grant)
    from portal.credentials.services import claim_credential  # noqa: PLC0415

    claim_credential(kid=grant.credentials.get(status="ready").kid, by=holder)
    assert refusal(grant, holder) == "too_many_keys"
    revoke_credential(kid=key.kid, reason="no_longer_needed", by=holder)
    second = request_credential(grant_id=grant.pk, by=holder)
    revoke_credential(kid=second.kid, reason="misuse", by=stories.responder())
    assert refusal(grant, holder) == "revoked_by_staff"


def test_a_colleague_s_revocation_leaves_the_way_open():
    """A technical contact kills a leaked key; the programme has no part in it."""
    place = MembershipFactory(role="technical_contact")
    key, _token = make_live_key(grant__application__organization=place.organization)
    revoke_credential(kid=key.kid, reason="key_leaked", by=place.user)
    slot = request_credential(grant_id=key.grant.pk, by=key.grant.holder)
    assert (slot.status, again(key).revoked_by_staff) == ("requested", False)


def test_a_suspended_person_gets_no_key():
    key, _token = stories.claimed()
    holder = key.grant.holder
    holder.suspended_at, holder.suspended_by = timezone.now(), UserFactory()
    holder.save()
    assert refusal(key.grant, holder) == "account_suspended"
