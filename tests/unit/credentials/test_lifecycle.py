"""Whatever people and workers do in whatever order: only edges of the machine are taken.

Hypothesis drives two applications for one place, with their grants and keys, against a model that
knows nothing but the tables of states in domain terms. An act the model calls impossible must
be refused and leave the database as it was.
"""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from portal.applications.models import Application
from portal.applications.services import (
    appeal_application,
    save_answers,
    start_application,
    submit_application,
    withdraw_application,
)
from portal.audit.models import Event
from portal.credentials import services as keys
from portal.credentials.models import Credential, Grant
from portal.credentials.selectors import places_taken
from portal.errors import DomainError
from portal.programs.models import RolloutPhase
from portal.reviews.services import (
    decline_application,
    request_changes,
    take_application,
    waitlist_application,
)
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.faults.oracle import assert_all_in_order
from tests.log import assert_nothing_private
from tests.rows import rows

WHICH = st.sampled_from([0, 1])
EDITABLE = {"draft", "changes_requested"}
WITHDRAWABLE = {
    "draft",
    "submitted",
    "in_review",
    "changes_requested",
    "waitlisted",
    "approved",
    "appealed",
}
OVER = {"ended", "revoked", "withdrawn"}


class Story(RuleBasedStateMachine):
    """`status` is the model; `reviews` how many of the current round said yes."""

    def __init__(self):
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.phase = stories.open_phase(capacity=1)
        self.people = [UserFactory(), UserFactory()]
        self.staff = {
            "responder": stories.responder(),
            "taker": stories.reviewer(),
        }
        self.status = ["draft", "draft"]
        self.reviews = [0, 0]
        self.grant = ["", ""]
        self.slots = [[], []]  # each a model of one key: requested, ready, active, revoked
        self.by_staff = [False, False]
        self.pks = []
        for person in self.people:
            stories.sign(person, self.phase)
            application = start_application(phase_id=self.phase.pk, by=person)
            save_answers(
                application_id=application.pk,
                version=0,
                answers={"purpose": "Triage."},
                scopes=[stories.STANDARD],
                by=person,
            )
            self.pks.append(application.pk)
        self.events = Event.objects.count()

    @initialize(stages=st.tuples(*[st.sampled_from(["draft", "in review", "in force"])] * 2))
    def begin(self, stages):
        """Not every example should spend its steps on the way to a grant."""
        for n, stage in enumerate(stages):
            if stage != "draft":
                self.submit(n)
                self.take(n)
                self.review(n)
            if stage == "in force" and not self.occupied():
                self.approve(n, full=True)
                self.issue(n, times=1)

    def teardown(self):
        assert_all_in_order()
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)

    def attempt(self, act, *, possible, events):
        """Do it; when the model says no it must be refused and change nothing."""
        before = self.snapshot()
        try:
            with transaction.atomic():
                act()
        except DomainError:
            assert not possible, act
            assert self.snapshot() == before
        else:
            assert possible, act
            self.events += events
        return possible

    def snapshot(self):
        return rows(Application, Grant, Credential, Event)

    def grant_of(self, n):
        return Grant.objects.get(application=self.pks[n])

    def occupied(self):
        return sum(
            status == "granted" and grant not in OVER
            for status, grant in zip(self.status, self.grant, strict=True)
        )

    # --- the applicant ---

    @rule(n=WHICH)
    def submit(self, n):
        if self.attempt(
            lambda: submit_application(application_id=self.pks[n], by=self.people[n]),
            possible=self.status[n] in EDITABLE,
            events=1,
        ):
            self.status[n], self.reviews[n] = "submitted", 0

    @rule(n=WHICH)
    def withdraw(self, n):
        if self.attempt(
            lambda: withdraw_application(application_id=self.pks[n], by=self.people[n]),
            possible=self.status[n] in WITHDRAWABLE,
            events=1,
        ):
            self.status[n] = "withdrawn"

    @rule(n=WHICH)
    def appeal(self, n):
        if self.attempt(
            lambda: appeal_application(
                application_id=self.pks[n], text="Again, please.", by=self.people[n]
            ),
            possible=self.status[n] == "declined",
            events=1,
        ):
            self.status[n], self.reviews[n] = "appealed", 0

    # --- reviewers and deciders, a new person each time but for the one who takes ---

    @rule(n=WHICH)
    def take(self, n):
        takes = self.status[n] in {"submitted", "waitlisted"}
        if takes and self.attempt(
            lambda: take_application(
                application_id=self.pks[n], by=self.staff["taker"], from_colleague=True
            ),
            possible=True,
            events=2,
        ):
            self.status[n] = "in_review"

    @rule(n=WHICH)
    def review(self, n):
        application = Application.objects.get(pk=self.pks[n])
        if self.attempt(
            lambda: stories.review(application),
            possible=self.status[n] in {"in_review", "appealed"},
            events=1,
        ):
            self.reviews[n] += 1

    @rule(n=WHICH)
    def ask_for_changes(self, n):
        if self.attempt(
            lambda: request_changes(
                application_id=self.pks[n],
                revision=stories.read(self.pks[n]),
                notes={"": "More."},
                by=stories.reviewer(),
            ),
            possible=self.status[n] in {"submitted", "in_review"},
            events=1,
        ):
            self.status[n] = "changes_requested"

    @rule(n=WHICH, full=st.booleans())
    def approve(self, n, full):
        asked = [stories.STANDARD] if full else [stories.STANDARD, stories.CRITICAL]
        application = Application.objects.get(pk=self.pks[n])
        if self.attempt(
            lambda: stories.approve(application, scopes=asked),
            possible=full
            and self.status[n] in {"in_review", "appealed"}
            and self.reviews[n] > 0
            and not self.occupied(),
            events=5,
        ):
            self.status[n], self.grant[n], self.slots[n] = "granted", "activating", ["requested"]

    @rule(n=WHICH)
    def decline(self, n):
        final = self.status[n] == "appealed"
        if self.attempt(
            lambda: decline_application(
                application_id=self.pks[n],
                revision=stories.read(self.pks[n]),
                reason_code="risk_too_high",
                text="No.",
                by=stories.decider(),
            ),
            possible=final or self.status[n] == "in_review",
            events=2,
        ):
            self.status[n] = "declined_final" if final else "declined"

    @rule(n=WHICH)
    def put_on_the_waiting_list(self, n):
        if self.attempt(
            lambda: waitlist_application(
                application_id=self.pks[n],
                revision=stories.read(self.pks[n]),
                text="No place.",
                by=stories.decider(),
            ),
            possible=self.status[n] == "in_review",
            events=2,
        ):
            self.status[n] = "waitlisted"

    # --- the worker, the holder, the responder ---

    @precondition(lambda self: any(self.grant))
    @rule(n=WHICH, times=st.sampled_from([1, 2]))
    def issue(self, n, times):
        if not self.grant[n]:
            return
        grant = self.grant_of(n)
        for _ in range(times):
            keys.issue_credential(grant_id=grant.pk, by=stories.WORKER)
        if self.grant[n] == "activating":
            self.grant[n] = "active"
            self.events += 1
        if self.grant[n] not in OVER:
            self.events += self.slots[n].count("requested")
            self.slots[n] = ["ready" if s == "requested" else s for s in self.slots[n]]

    @precondition(lambda self: any(self.grant))
    @rule(n=WHICH)
    def claim(self, n):
        if not self.slots[n]:
            return
        kid = Credential.objects.filter(grant__application=self.pks[n]).latest("pk").kid
        possible = self.slots[n][-1] == "ready" and self.grant[n] == "active"
        if self.slots[n][-1] == "active":
            return  # a second claim: an alarm, tried elsewhere
        if self.attempt(
            lambda: keys.claim_credential(kid=kid, by=self.people[n]), possible=possible, events=1
        ):
            self.slots[n][-1] = "active"

    @precondition(lambda self: any(self.grant))
    @rule(n=WHICH)
    def ask_for_another_key(self, n):
        if not self.grant[n]:
            return
        slots = self.slots[n]
        possible = (
            self.grant[n] == "active"
            and not self.by_staff[n]
            and not {"requested", "ready"} & set(slots)
            and slots.count("active") < 2
        )
        grant = self.grant_of(n)
        if self.attempt(
            lambda: keys.request_credential(grant_id=grant.pk, by=self.people[n]),
            possible=possible,
            events=1,
        ):
            slots.append("requested")

    @precondition(lambda self: any(self.grant))
    @rule(n=WHICH, staff=st.booleans())
    def revoke_a_key(self, n, staff):
        if not self.slots[n]:
            return
        kid = Credential.objects.filter(grant__application=self.pks[n]).latest("pk").kid
        live = self.slots[n][-1] != "revoked"
        dead = Credential.objects.filter(kid=kid, status="revoked", revoked_by_staff=False)
        too_late = staff and dead.exists()  # its holder was quicker, and gets no more keys
        by = self.staff["responder"] if staff else self.people[n]
        self.attempt(
            lambda: keys.revoke_credential(kid=kid, reason="key_leaked", by=by),
            possible=True,
            events=int(live or too_late),
        )
        self.by_staff[n] |= too_late or (live and staff)
        self.slots[n][-1] = "revoked"

    @precondition(lambda self: any(self.grant))
    @rule(
        n=WHICH,
        edge=st.sampled_from(
            [
                ("suspend_grant", {"active"}, "suspended"),
                ("resume_grant", {"suspended"}, "active"),
                ("revoke_grant", {"activating", "active", "suspended"}, "revoked"),
                ("withdraw_grant", {"activating", "active"}, "withdrawn"),
            ]
        ),
    )
    def change_the_grant(self, n, edge):
        if not self.grant[n]:
            return
        name, possible_from, to = edge
        given = {"grant_id": self.grant_of(n).pk, "by": self.staff["responder"]}
        given |= {"reason": "misuse"} if name == "revoke_grant" else {}
        given |= {"by": self.people[n]} if name == "withdraw_grant" else {}
        live = [slot for slot in self.slots[n] if slot != "revoked"]
        kills = len(live) if to in OVER else 0
        if self.attempt(
            lambda: getattr(keys, name)(**given),
            possible=self.grant[n] in possible_from,
            events=1 + kills,
        ):
            self.grant[n] = to
            if to in OVER:
                self.slots[n] = ["revoked"] * len(self.slots[n])

    # --- what holds after each step ---

    @invariant()
    def the_database_is_what_the_model_says(self):
        assert list(Application.objects.order_by("pk").values_list("pk", "status")) == [
            *zip(self.pks, self.status, strict=True)
        ]
        grants = dict(Grant.objects.values_list("application", "status"))
        assert grants == {pk: says for pk, says in zip(self.pks, self.grant, strict=True) if says}
        slots = {pk: [] for pk in self.pks}
        for pk, says in Credential.objects.order_by("pk").values_list(
            "grant__application", "status"
        ):
            slots[pk].append(says)
        assert [*slots.values()] == self.slots

    @invariant()
    def never_more_grants_than_places(self):
        assert places_taken(RolloutPhase.objects.get(pk=self.phase.pk)) <= 1

    @invariant()
    def as_many_events_as_changes_and_nothing_private_in_them(self):
        assert Event.objects.count() == self.events
        for event in Event.objects.order_by("-id")[:5]:
            assert_nothing_private(event)


@pytest.mark.django_db
def test_no_order_of_acts_leaves_the_machine():
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
