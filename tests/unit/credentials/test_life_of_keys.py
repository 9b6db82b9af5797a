"""Keys of one grant through claims, rotations, uses, time and revocations, against a model.

The model knows the rules in domain terms only: at most two live secrets of a kind, a key never
wider than what it comes from, no end ever moved later, the overlap counted from the first use, and
whoever says no wins.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
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

from portal.audit.services import System
from portal.credentials import services
from portal.credentials.models import Credential, Grant
from portal.credentials.services.rotating import LEAKED
from portal.credentials.verification import explain_many, verify
from portal.errors import DomainError
from portal.gateway.noting import note_yes
from tests.factories import stories
from tests.faults.oracle import assert_all_in_order
from tests.rows import rows

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY_LIFE, GRANT_LIFE = 30 * DAY, 45 * DAY
SCOPES = (stories.STANDARD, stories.ELEVATED, stories.CRITICAL)
# None stands for "as it is". Most are possible, so that lives go on.
WANTED = st.sampled_from([None, {SCOPES[0]}, {SCOPES[1]}, set(SCOPES[:2]), set(), set(SCOPES)])
OVERLAPS = st.sampled_from([LEAKED, HOUR, DAY, 7 * DAY, 7 * DAY, 8 * DAY])
WHICH = st.sampled_from([0, -1, -1, -2, -2, -3])
CLOCK = System("clock")


@dataclass
class Key:
    """What the model knows of a key. `ends` only ever comes nearer."""

    kid: str
    token: str
    kind: str
    scopes: frozenset
    ends: datetime
    status: str = "active"
    replaces: "Key | None" = None
    overlap: timedelta = LEAKED
    started: bool = False
    dead_since: datetime = BEGIN


class Life(RuleBasedStateMachine):
    """Each of its lives begins with the same grant, and is taken back as it ends."""

    clock, first, responder = None, None, None

    def __init__(self):
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.clock.move_to(BEGIN)
        grant = Grant.objects.get(pk=self.first)
        self.holder, self.audience = grant.holder, grant.phase.release.audience
        self.grant, self.standing, self.barred = grant.pk, "active", False
        self.until, self.allowed = grant.ends_at, grant.opened_at
        self.keys = []

    def teardown(self):
        try:
            assert_all_in_order()
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    # --- what the model says ---

    def now(self):
        return datetime.now(UTC)

    def pass_a_second(self):
        """No two acts at the same moment, as in life."""
        self.clock.shift(SECOND)

    def key(self, which):
        return self.keys[which % len(self.keys)]

    def live(self, kind):
        return [key for key in self.keys if key.status == "active" and key.kind == kind]

    def gives_keys(self):
        return self.standing == "active" and self.now() < self.until and not self.barred

    def works(self, key):
        in_force = self.standing == "active" and self.now() < self.until
        return in_force and key.status == "active" and self.now() < key.ends

    def attempt(self, act, *, possible):
        """Do it; when the model says no it must be refused and change nothing."""
        before = rows(Credential)
        try:
            with transaction.atomic():
                done = act()
        except DomainError:
            assert not possible
            assert rows(Credential) == before
            return None
        assert possible
        return done

    # --- the holder ---

    @initialize(narrow=st.booleans(), wanted=WANTED, overlap=OVERLAPS, rotated=st.booleans())
    def begin(self, narrow, wanted, overlap, rotated):
        """Not every life should spend its days on the way to a second key."""
        self.claim({SCOPES[0]} if narrow else None)
        if rotated:
            self.rotate(0, wanted, overlap)

    @precondition(lambda self: self.gives_keys() and len(self.live("live")) < 2)
    @rule(wanted=WANTED)
    def claim_one(self, wanted):
        self.claim(wanted)

    @precondition(lambda self: not self.gives_keys() or len(self.live("live")) == 2)
    @rule(kind=st.sampled_from(["live", "test"]))
    def make_one_in_vain(self, kind):
        self.claim(None) if kind == "live" else self.make_a_test_key(None)

    def claim(self, wanted):
        self.pass_a_second()
        possible = (
            self.gives_keys()
            and len(self.live("live")) < 2
            and (wanted is None or (bool(wanted) and wanted <= set(SCOPES[:2])))
        )

        def act():
            slot = services.request_credential(grant_id=self.grant, by=self.holder)
            services.issue_credential(grant_id=self.grant, by=stories.WORKER)
            return slot.kid, services.claim_credential(
                kid=slot.kid, by=self.holder, scopes=wanted
            ).token

        if done := self.attempt(act, possible=possible):
            self.born(*done, "live", frozenset(SCOPES[:2] if wanted is None else wanted))

    @precondition(lambda self: self.gives_keys())
    @rule(wanted=WANTED)
    def make_one_to_test(self, wanted):
        self.make_a_test_key(wanted)

    def make_a_test_key(self, wanted):
        self.pass_a_second()
        possible = (
            self.gives_keys()
            and len(self.live("test")) < 2
            and (wanted is None or (bool(wanted) and wanted <= set(SCOPES[:2])))
        )
        if done := self.attempt(
            lambda: services.make_test_credential(
                grant_id=self.grant, by=self.holder, scopes=wanted
            ),
            possible=possible,
        ):
            key, minted = done
            scopes = frozenset(SCOPES[:2] if wanted is None else wanted)
            self.born(key.kid, minted.token, "test", scopes)

    def born(self, kid, token, kind, scopes):
        ends = min(self.now() + KEY_LIFE, self.until)
        self.keys.append(Key(kid, token, kind, scopes, ends))

    def alone(self):
        """Keys that can be rotated as things stand."""
        works = [key for key in self.keys if self.gives_keys() and self.works(key)]
        return [key for key in works if self.live(key.kind) == [key]]

    @precondition(lambda self: self.alone())
    @rule(wanted=st.sampled_from([None, {SCOPES[0]}, set(SCOPES[:2])]), overlap=OVERLAPS)
    def rotate_one_in_use(self, wanted, overlap):
        self.rotate(self.keys.index(self.alone()[0]), wanted, overlap)

    @precondition(lambda self: any(self.replacing()))
    @rule()
    def use_a_new_one(self):
        self.use(self.keys.index(self.replacing()[0]))

    def replacing(self):
        return [key for key in self.keys if key.replaces and not key.started and self.works(key)]

    @precondition(lambda self: self.keys)
    @rule(which=WHICH, wanted=WANTED, overlap=OVERLAPS)
    def rotate(self, which, wanted, overlap):
        self.pass_a_second()
        old = self.key(which)
        possible = (
            self.gives_keys()
            and self.works(old)
            and self.live(old.kind) == [old]
            and (overlap == LEAKED or HOUR <= overlap <= 7 * DAY)
            and (wanted is None or (bool(wanted) and wanted <= old.scopes))
        )
        if done := self.attempt(
            lambda: services.rotate_credential(
                kid=old.kid, by=self.holder, scopes=wanted, overlap=overlap
            ),
            possible=possible,
        ):
            new, minted = done
            scopes = old.scopes if wanted is None else frozenset(wanted)
            self.keys.append(
                Key(
                    new.kid,
                    minted.token,
                    old.kind,
                    scopes,
                    old.ends,
                    replaces=old,
                    overlap=overlap,
                    started=overlap == LEAKED,
                )
            )
            if overlap == LEAKED:
                old.status, old.dead_since = "revoked", self.now()

    @precondition(lambda self: self.keys)
    @rule(which=WHICH)
    def use(self, which):
        self.pass_a_second()
        key = self.key(which)
        found = self.ask(key)
        assert bool(found.verdict) == self.works(key)
        if not found.verdict:
            return
        note_yes(key.token, found.facts)
        if key.replaces and not key.started:
            key.started = True
            if key.replaces.status == "active":
                key.replaces.ends = min(key.replaces.ends, self.now() + key.overlap)

    # --- staff, and time ---

    @precondition(lambda self: self.keys)
    @rule(which=WHICH, staff=st.booleans())
    def revoke(self, which, staff):
        self.pass_a_second()
        key, by = self.key(which), self.responder if staff else self.holder
        services.revoke_credential(kid=key.kid, reason="misuse", by=by)
        if key.status == "active":
            key.status, key.dead_since, self.barred = "revoked", self.now(), self.barred or staff
        elif key.status == "revoked" and staff and key.dead_since > self.allowed:
            self.barred = True  # the holder was quicker

    @precondition(lambda self: self.barred)
    @rule()
    def allow_new_keys(self):
        self.pass_a_second()
        if self.attempt(
            lambda: services.allow_new_keys(grant_id=self.grant, by=self.responder),
            possible=self.standing != "ended",
        ):
            self.barred, self.allowed = False, self.now()

    @rule(really=st.booleans())
    def suspend_or_resume(self, really):
        if not really and self.standing == "active":
            return  # most lives should be spent in force
        self.pass_a_second()
        verb, to = {
            "active": (services.suspend_grant, "suspended"),
            "suspended": (services.resume_grant, "active"),
            "ended": (services.suspend_grant, "ended"),
        }[self.standing]
        if self.attempt(
            lambda: verb(grant_id=self.grant, by=self.responder), possible=self.standing != "ended"
        ):
            self.standing = to

    @rule(how_long=st.sampled_from([HOUR, DAY, 7 * DAY]))
    def time_passes(self, how_long):
        self.clock.shift(how_long)

    @precondition(lambda self: self.keys)
    @rule(which=WHICH, left=st.sampled_from([2 * HOUR, 3 * DAY]))
    def an_end_comes_near(self, which, left):
        ends = self.key(which).ends
        if ends - left > self.now():
            self.clock.move_to(ends - left)

    @rule(times=st.sampled_from([1, 2]))
    def sweep(self, times):
        self.pass_a_second()
        for _ in range(times):
            services.close_what_is_over(by=CLOCK)
            services.remind_of_expiry(by=CLOCK)
        for key in self.keys:
            if key.status == "active" and key.ends <= self.now():
                came = any(other.replaces is key and other.started for other in self.keys)
                key.status = "retired" if came else "expired"
        if self.until <= self.now():
            self.standing = "ended"

    # --- what holds after each step ---

    def ask(self, key):
        sandbox = key.kind == "test"
        return verify(key.token, audience=self.audience, scope=None, sandbox=sandbox)

    @invariant()
    def the_doors_say_what_the_model_says(self):
        said = explain_many(key.kid for key in self.keys)
        assert {kid: bool(verdict) for kid, verdict in said.items()} == {
            key.kid: self.works(key) for key in self.keys
        }

    @invariant()
    def the_rows_are_what_the_model_says(self):
        """And so never more than two live secrets of a kind."""
        rows = {row.kid: row for row in Credential.objects.all()}
        assert len(rows) == len(self.keys) + 1
        for key in self.keys:
            row = rows[key.kid]
            assert (row.status, row.expires_at) == (key.status, key.ends)
            assert frozenset(row.scopes) == key.scopes
        assert max(len(self.live(kind)) for kind in ("live", "test")) <= 2


@pytest.mark.django_db
def test_no_order_of_acts_breaks_the_rules():
    with time_machine.travel(BEGIN, tick=False) as clock:
        slot = stories.ready(scopes=SCOPES[:2])
        Grant.objects.update(ends_at=BEGIN + GRANT_LIFE)
        services.revoke_credential(kid=slot.kid, reason="no_longer_needed", by=slot.grant.holder)
        Life.clock, Life.first, Life.responder = clock, slot.grant_id, stories.responder()
        _run()


def _run():
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
