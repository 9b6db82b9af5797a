"""A key is claimed, rotated or used for the first time, and three acts out of eight on its grant
come at the same moment, in an order nobody chose: no is stronger.

Forty in every run; `INTERLEAVINGS=1000 pytest tests/faults/test_interleavings.py` for an evening.
What fails names its seed: `SEED=<it>` draws the same again.
"""

import os
import random
import time
from functools import partial

import pytest

from portal.credentials.models import Credential, Freeze
from portal.credentials.secrets import Minted
from portal.credentials.services import (
    ask_to_lift,
    claim_credential,
    contain_revocation,
    issue_credential,
    lift_freeze,
    preview_revocation,
    request_credential,
    revoke_credential,
    revoke_grant,
    rotate_credential,
    start_revocation,
    suspend_grant,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import explain, verify
from portal.errors import DomainError
from portal.gateway.noting import note_yes
from portal.programs.services import halt_phase
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, UserFactory
from tests.factories.cases import typed
from tests.factories.freezes import TARGETS, place
from tests.factories.reviews import staff
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
TIMES = int(os.environ.get("INTERLEAVINGS", "40"))
SEED = int(os.environ.get("SEED") or random.randrange(2**32))
AT_ONCE, LONGEST_WAIT = 4, 0.03  # seconds before an act begins
STOPS_THE_GRANT = {"freeze", "halt phase", "revoke grant", "suspend grant"}
STOPS_THE_CASE = {"contain", "confirm"}
BIRTHS = ("claim", "rotate", "use")


class Scene:
    """A grant with a key in use, and a case over its keys that nobody has decided.

    `birth` is what a new key is about to do: to be claimed, to take the old one's place, or to be
    used for the first time after it took that. `level` is what a freeze would be over.
    """

    def __init__(self, people, *, birth, level):
        member = MembershipFactory(user=UserFactory())
        holder = member.user
        self.key, self.old = stories.claimed(by=holder, organization=member.organization)
        self.grant, self.holder, self.level = self.key.grant, holder, level
        self.birth, self.slot, self.new = birth, None, None
        if birth == "claim":
            self.slot = request_credential(grant_id=self.grant.pk, by=holder)
            issue_credential(grant_id=self.grant.pk, by=stories.WORKER)
        if birth == "use":
            self.new = rotate_credential(kid=self.key.kid, by=holder)[1].token
        self.other = stories.found_good(phase=self.grant.phase, times=1)
        self.responder, self.second, self.manager, self.decider = people
        person = Selector(person=self.holder.ref)
        self.case = preview_revocation(
            selector=person, reason="incident", note="", by=self.responder
        )

    def acts(self):
        key, grant, case = self.key, self.grant, self.case
        by, reason = self.responder, "misuse"
        births = {
            "claim": lambda: claim_credential(kid=self.slot.kid, by=self.holder),
            "rotate": lambda: rotate_credential(kid=key.kid, by=self.holder),
            "use": self.use,
        }
        return {
            self.birth: births[self.birth],
            "approve": partial(stories.approve, self.other, by=self.decider),
            "freeze": partial(place, self.level, TARGETS[self.level](key), by=self.second),
            "halt phase": partial(halt_phase, phase_id=grant.phase.pk, by=self.manager),
            "revoke key": partial(revoke_credential, kid=key.kid, reason=reason, by=by),
            "revoke grant": partial(revoke_grant, grant_id=grant.pk, reason=reason, by=self.second),
            "suspend grant": partial(suspend_grant, grant_id=grant.pk, by=self.second),
            "contain": partial(contain_revocation, revocation_id=case.pk, by=by),
            "confirm": partial(
                start_revocation,
                revocation_id=case.pk,
                **typed(case),
                by=by,
            ),
        }

    def use(self):
        """As a door does with the new key."""
        found = verify(self.new, audience=self.grant.phase.release.audience, scope=None)
        if found.verdict:
            note_yes(self.new, found.facts)

    def lift(self):
        """What this scene froze may be the next one's, too."""
        for freeze in Freeze.objects.filter(lifted_at=None):
            ask_to_lift(freeze_id=freeze.pk, by=self.responder)
            lift_freeze(freeze_id=freeze.pk, by=self.second)

    def works(self, token):
        """As a door that remembers would say, which has to be what stands in PostgreSQL."""
        audience = self.grant.phase.release.audience
        found = verify(token, audience=audience, scope=stories.STANDARD)
        assert found.verdict.allowed is explain(found.kid, scope=stories.STANDARD).allowed
        return found.verdict.allowed


def late(act, seconds):
    time.sleep(seconds)
    return act()


def minted(answer):
    return [
        each.token
        for each in (answer if isinstance(answer, tuple) else (answer,))
        if isinstance(each, Minted)
    ]


def test_whatever_comes_first_the_stricter_state_is_what_is_left(concurrently):
    drawn = random.Random(SEED)
    people = [staff("incident_responder"), staff("incident_responder"), stories.manager()]
    people.append(stories.decider())
    done = {}
    for number in range(TIMES):
        birth, level = drawn.choice(BIRTHS), drawn.choice(sorted(TARGETS))
        scene = Scene(people, birth=birth, level=level)
        assert scene.works(scene.old)  # and remembered from now on
        acts = scene.acts()
        names = [birth, *drawn.sample(sorted(set(acts) - {birth}), AT_ONCE - 1)]
        calls = [partial(late, acts[name], drawn.uniform(0, LONGEST_WAIT)) for name in names]
        # Most of the others stop it, so it begins early: else it would hardly ever get through.
        calls[0] = partial(late, acts[birth], drawn.uniform(0, LONGEST_WAIT / 3))
        # Threads come back in the order they were sent.
        answers = dict(zip(names, concurrently(*calls), strict=True))
        check(scene, answers, f"SEED={SEED}, number {number}, {level}: {answers}")
        scene.lift()
        for name, answer in answers.items():
            done[name] = done.get(name, 0) + (not isinstance(answer, Exception))
    if TIMES >= 40:
        assert min(done.values()) > 0, done  # each got through at least once


def check(scene, answers, told):
    refused = {name: each for name, each in answers.items() if isinstance(each, Exception)}
    assert [e for e in refused.values() if not isinstance(e, DomainError)] == [], told
    did = set(answers) - set(refused)
    new = [token for name in ("claim", "rotate") if name in did for token in minted(answers[name])]
    assert len(new) == len(did & {"claim", "rotate"}), told
    new += [scene.new] if scene.new else []
    if did & STOPS_THE_GRANT:
        assert [scene.works(token) for token in (scene.old, *new)].count(True) == 0, told
    if did & (STOPS_THE_CASE | {"revoke key"}):
        assert not scene.works(scene.old), told
    if did & STOPS_THE_CASE:
        kids = set(scene.case.items.values_list("credential__kid", flat=True))
        assert not any(explain(kid).allowed for kid in kids), told
    if not did & (STOPS_THE_GRANT | STOPS_THE_CASE | {"revoke key"}):
        assert all(scene.works(token) for token in (scene.old, *new)), told
    live = Credential.objects.filter(grant=scene.grant, status__in=["requested", "ready", "active"])
    assert live.count() <= 3, told
