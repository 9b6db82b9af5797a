"""A cohort is issued in batches, each grant exactly as it would be by itself."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials import selectors, tasks
from portal.credentials.models import Credential, Grant
from portal.credentials.services import cohorts, issue_credential, issue_waiting
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_queued
from tests.factories import stories
from tests.factories.credentials import GrantFactory

pytestmark = pytest.mark.django_db
WORKER = stories.WORKER


def cohort(count, **fields):
    """Grants as approval leaves them, with a slot each that nobody has made ready."""
    grants = GrantFactory.create_batch(count, status="activating", **fields)
    born = Credential.objects.count()
    for n, grant in enumerate(grants, born):
        Credential.objects.create(kid=f"cohort{n:010}", grant=grant, scopes=grant.scopes)
    return grants


def outcome(grant):
    """What one grant's issue has left, without what differs from grant to grant."""
    names = {grant.ref: "grant", grant.application.ref: "file", grant.holder.email: "holder"}
    names |= {grant.credentials.get().kid: "kid", grant.holder.get_short_name(): "name"}
    events = Event.objects.filter(thread=grant.application.ref).order_by("id")
    told = events.values_list("kind", "actor", "subject", "payload__grant")
    mails = OutgoingMail.objects.filter(to=grant.holder.email)
    slot = grant.credentials.get()
    return {
        "events": [(*two, names[subject], names.get(under)) for *two, subject, under in told],
        "mails": [
            (mail.template, {key: names.get(word, word) for key, word in mail.context.items()})
            for mail in mails
        ],
        "slot": (slot.status, slot.expires_at - slot.ready_at, slot.digest),
        "grant": (grant.status, grant.attempts, grant.activated_at == slot.ready_at),
    }


def test_a_batch_leaves_what_each_would_have_left_by_itself():
    alone, *together = cohort(4)
    issue_credential(grant_id=alone.pk, by=WORKER)
    assert issue_waiting(by=WORKER) == 3
    expected = outcome(stories.again(alone))
    for grant in together:
        found = outcome(stories.again(grant))
        release = grant.phase.release.name
        for _template, words in found["mails"]:
            assert words.pop("release") == release
        assert found["events"] == expected["events"]
        assert found["slot"] == expected["slot"]
        assert found["grant"][:2] == expected["grant"][:2]
        assert [template for template, _ in found["mails"]] == ["credentials/key_ready"]
        assert [set(words) | {"release"} for _, words in found["mails"]] == [
            set(words) for _, words in expected["mails"]
        ]


def test_nothing_is_left_for_a_second_run():
    cohort(2)
    issue_waiting(by=WORKER)
    before = list(Credential.objects.values()), Event.objects.count(), OutgoingMail.objects.count()
    assert issue_waiting(by=WORKER) == 0
    assert before == (
        list(Credential.objects.values()),
        Event.objects.count(),
        OutgoingMail.objects.count(),
    )


def test_a_slot_never_waits_past_its_grants_end():
    ends = timezone.now() + timedelta(days=1)
    cohort(1, ends_at=ends)
    issue_waiting(by=WORKER)
    assert Credential.objects.get().expires_at == ends


@pytest.mark.parametrize(
    "status", ["scheduled", "activation_failed", "ended", "revoked", "withdrawn"]
)
def test_other_grants_are_left_to_their_own_task(status):
    (grant,) = cohort(1)
    Grant.objects.update(status=status)
    assert issue_waiting(by=WORKER) == 0
    assert grant.credentials.get().status == "requested"


def test_one_that_failed_before_is_left_to_its_own_task():
    cohort(1)
    Grant.objects.update(attempts=1)
    assert issue_waiting(by=WORKER) == 0


def test_statements_do_not_grow_with_the_cohort():
    def statements(count):
        cohort(count)
        with CaptureQueriesContext(connection) as captured:
            assert issue_waiting(by=WORKER) == count
        return len(captured)

    assert statements(1) == statements(7)


@pytest.fixture
def rung(monkeypatch, settings):
    """What is rung for, instead of its being carried to a broker."""
    heard = []
    for module in (cohorts, tasks):
        monkeypatch.setattr(module, "ring", lambda task, *args: heard.append((task.name, *args)))
    return heard


def test_a_full_batch_rings_for_the_next(rung, monkeypatch):
    monkeypatch.setattr(cohorts, "BATCH", 2)
    cohort(3)
    assert [issue_waiting(by=WORKER) for _ in range(2)] == [2, 1]
    assert rung == [("credentials.issue_waiting",)]


@pytest.mark.filterwarnings("default")
def test_one_that_cannot_be_issued_holds_nobody_up(rung):
    grants = cohort(3)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE credentials_credential ADD CONSTRAINT planted"
            " CHECK (kid <> 'cohort0000000001' OR status <> 'ready')"
        )
    assert issue_waiting(by=WORKER) == 0
    assert rung == [("credentials.issue", grant.pk) for grant in grants]
    assert set(Credential.objects.values_list("status", flat=True)) == {"requested"}


def test_reconcile_rings_for_batches_when_there_are_many(rung, monkeypatch):
    monkeypatch.setattr(tasks, "A_COHORT", 2)
    grants = cohort(3)
    ago = timezone.now() - 2 * selectors.SETTLE
    Grant.objects.update(opened_at=ago, next_attempt_at=ago)
    tasks.reconcile()
    assert rung == [
        ("credentials.issue_waiting",),
        *[("credentials.issue", grant.pk) for grant in grants[:2]],
    ]


def test_mails_of_a_batch_are_sent_by_one_ring(mailoutbox):
    grants = cohort(3)
    issue_waiting(by=WORKER)
    assert deliver_queued() == 3
    assert [mail.to for mail in mailoutbox] == [[grant.holder.email] for grant in grants]
    assert deliver_queued() == 0
