"""Every act in every state, as tables: what it leads to; the rest is refused, changing nothing."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from portal.applications import services as applying
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.audit.models import Event
from portal.credentials import services as keys
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.credentials.models import Credential, Grant
from portal.errors import DomainError
from portal.reviews import services as reviewing
from tests.factories import stories

pytestmark = pytest.mark.django_db

SAME = "same"

GRANT_ACTS = {
    "suspend": lambda g: keys.suspend_grant(grant_id=g.pk, by=stories.responder()),
    "resume": lambda g: keys.resume_grant(grant_id=g.pk, by=stories.responder()),
    "revoke": lambda g: keys.revoke_grant(grant_id=g.pk, reason="misuse", by=stories.responder()),
    "retry": lambda g: keys.retry_activation(grant_id=g.pk, by=stories.responder()),
    "give up": lambda g: keys.withdraw_grant(grant_id=g.pk, by=g.holder),
    "issue": lambda g: keys.issue_credential(grant_id=g.pk, by=stories.WORKER),
}
# The scheduled one begins later, so that issuing leaves it.
GRANT_TABLE = {
    "scheduled": {"revoke": "revoked", "give up": "withdrawn", "issue": SAME},
    "activating": {"revoke": "revoked", "give up": "withdrawn", "issue": "active"},
    "activation_failed": {
        "revoke": "revoked",
        "give up": "withdrawn",
        "retry": "activating",
        "issue": SAME,
    },
    "active": {"suspend": "suspended", "revoke": "revoked", "give up": "withdrawn", "issue": SAME},
    "suspended": {"resume": "active", "revoke": "revoked", "issue": SAME},
    "ended": {"issue": SAME},
    "revoked": {"issue": SAME},
    "withdrawn": {"issue": SAME},
}


def outcomes(row, acts, state_of):
    """Act -> the state it leads to; refusals are left out. Each is tried on the same beginning."""
    found = {}
    for name, act in acts.items():
        before = state_of(row), Event.objects.count()
        mark = transaction.savepoint()
        try:
            act(stories.again(row))
        except DomainError:
            assert (state_of(row), Event.objects.count()) == before
        else:
            after = stories.again(row).status
            found[name] = SAME if after == row.status else after
        transaction.savepoint_rollback(mark)
    return found


def test_the_table_knows_every_state_of_a_grant():
    assert set(GRANT_TABLE) == set(GrantStatus.values)


@pytest.mark.parametrize("status", GRANT_TABLE)
def test_grants(status):
    grant = stories.opened(times=1)
    starts = timezone.now() + timedelta(days=1)
    Grant.objects.update(status=status, **({"starts_at": starts} if status == "scheduled" else {}))
    grant = stories.again(grant)
    rows = lambda _row: (list(Grant.objects.values()), list(Credential.objects.values()))  # noqa: E731
    assert outcomes(grant, GRANT_ACTS, rows) == GRANT_TABLE[status]


KEY_ACTS = {
    "claim": lambda k: keys.claim_credential(kid=k.kid, by=k.grant.holder),
    "revoke": lambda k: keys.revoke_credential(kid=k.kid, reason="misuse", by=k.grant.holder),
    "issue": lambda k: keys.issue_credential(grant_id=k.grant_id, by=stories.WORKER),
}
KEY_TABLE = {
    "requested": {"revoke": "revoked", "issue": "ready"},
    "ready": {"claim": "active", "revoke": "revoked", "issue": SAME},
    "active": {"revoke": "revoked", "issue": SAME},
    "retired": {"revoke": SAME, "issue": SAME},
    "revoked": {"revoke": SAME, "issue": SAME},
    "expired": {"revoke": SAME, "issue": SAME},
    "lapsed": {"revoke": SAME, "issue": SAME},
}


def test_the_table_knows_every_state_of_a_key():
    assert set(KEY_TABLE) == set(CredentialStatus.values)


@pytest.mark.parametrize("status", KEY_TABLE)
def test_keys(status):
    if status in ("requested", "ready"):
        stories.opened(times=1) if status == "requested" else stories.ready()
        key = Credential.objects.get()
        Grant.objects.update(status="active")
    else:
        key, _token = stories.claimed()
        revoked = {"revoked_at": timezone.now(), "revoked_by": key.grant.holder}
        Credential.objects.update(status=status, **(revoked if status == "revoked" else {}))
    rows = lambda _row: list(Credential.objects.values())  # noqa: E731
    # A second claim is refused and logged: an event there, no change of the row.
    acts = {name: act for name, act in KEY_ACTS.items() if (status, name) != ("active", "claim")}
    assert outcomes(stories.again(key), acts, rows) == KEY_TABLE[status]


def take(application):
    return reviewing.take_application(
        application_id=application.pk, by=stories.reviewer(), from_colleague=True
    )


APPLICATION_ACTS = {
    "save": lambda a: applying.save_answers(
        application_id=a.pk, version=a.version, by=a.applicant, scopes=[stories.STANDARD]
    ),
    "submit": lambda a: applying.submit_application(application_id=a.pk, by=a.applicant),
    "withdraw": lambda a: applying.withdraw_application(application_id=a.pk, by=a.applicant),
    "appeal": lambda a: applying.appeal_application(
        application_id=a.pk, text="Again.", by=a.applicant
    ),
    "write": lambda a: applying.send_message(application_id=a.pk, body="Hello.", by=a.applicant),
    "take": take,
    "review": stories.review,
    "ask for changes": lambda a: reviewing.request_changes(
        application_id=a.pk, revision=stories.read(a.pk), notes={"": "More."}, by=stories.reviewer()
    ),
    "approve": stories.approve,
    "decline": lambda a: reviewing.decline_application(
        application_id=a.pk,
        revision=stories.read(a.pk),
        reason_code="risk_too_high",
        text="No.",
        by=stories.decider(),
    ),
    "put on the waiting list": lambda a: reviewing.waitlist_application(
        application_id=a.pk, revision=stories.read(a.pk), text="No place.", by=stories.decider()
    ),
}
APPLICATION_TABLE = {
    "draft": {"save": SAME, "submit": "submitted", "withdraw": "withdrawn"},
    "submitted": {
        "withdraw": "withdrawn",
        "write": SAME,
        "take": "in_review",
        "ask for changes": "changes_requested",
    },
    "in_review": {
        "withdraw": "withdrawn",
        "write": SAME,
        "take": SAME,
        "review": SAME,
        "ask for changes": "changes_requested",
        "approve": "granted",
        "decline": "declined",
        "put on the waiting list": "waitlisted",
    },
    "changes_requested": {
        "save": SAME,
        "submit": "submitted",
        "withdraw": "withdrawn",
        "write": SAME,
    },
    "waitlisted": {"withdraw": "withdrawn", "write": SAME, "take": "in_review"},
    "approved": {"withdraw": "withdrawn", "write": SAME},
    "granted": {},
    "lapsed": {},
    "declined": {"appeal": "appealed"},
    "appealed": {
        "withdraw": "withdrawn",
        "write": SAME,
        "take": SAME,
        "review": SAME,
        "approve": "granted",
        "decline": "declined_final",
    },
    "declined_final": {},
    "withdrawn": {},
    "expired": {},
}


def test_the_table_knows_every_state_of_an_application():
    assert set(APPLICATION_TABLE) == set(ApplicationStatus.values)


@pytest.mark.parametrize("status", APPLICATION_TABLE)
def test_applications(status):
    application = stories.reviewed(times=1)
    Application.objects.update(
        status=status,
        # An appeal counts reviews since it was made; the one above is one of those.
        status_changed_at=application.submitted_at,
    )
    rows = lambda _row: (  # noqa: E731
        list(Application.objects.values()),
        application.messages.count(),
        application.revisions.count(),
        application.decisions.count(),
    )
    application = stories.again(application)
    assert outcomes(application, APPLICATION_ACTS, rows) == APPLICATION_TABLE[status]
