"""Whom criteria name, composed at random, against a model in plain Python that knows no SQL."""

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from portal.applications.models import Revision
from portal.credentials import services
from portal.credentials.models import Credential, CredentialUse, Grant
from portal.credentials.targets import Selector, barred_grants, live_credentials
from portal.errors import Invalid
from portal.reviews.models import Decision
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.cases import typed
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.factories.programs import CapabilityFactory, ModelReleaseFactory, RolloutPhaseFactory
from tests.factories.stories import responder

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
INFER, TRIAGE, NOBODYS = "model:infer", "cyber:triage", "cyber:recon"
SEVERAL = (
    "release", "phase", "organization", "person", "application", "reviewer", "capability",
)  # fmt: skip
ABOUT_GRANTS = ("release", "phase", "organization", "person", "application", "capability")

# phase, person, organisation, scopes of the grant, who ruled on its application
GRANTS = [
    (0, 0, 0, [INFER, TRIAGE], [0]),
    (0, 1, 0, [INFER], [1]),
    (0, 2, None, [TRIAGE], []),
    (1, 0, 1, [INFER, TRIAGE], [0, 1]),
    (1, 1, None, [INFER], [0]),
    (2, 0, 0, [INFER], [1]),
    (2, 3, 1, [INFER, TRIAGE], []),  # no key of it lives
    (3, 3, None, [INFER], [1]),  # nor has this one any
]
# grant, status, kind, hours since it was claimed or asked for, since it was used, scopes
KEYS = [
    (0, "active", "live", 50, 1, [INFER, TRIAGE]),
    (0, "active", "live", 20, None, [INFER]),
    (0, "retired", "live", 90, 60, [INFER]),
    (0, "active", "test", 20, 20, [INFER, TRIAGE]),
    (1, "active", "live", 50, 20, [INFER]),
    (1, "ready", "live", 1, None, [INFER]),
    (2, "active", "live", 1, 1, [TRIAGE]),
    (3, "requested", "live", 20, None, [INFER, TRIAGE]),
    (3, "active", "live", 90, 50, [TRIAGE]),
    (4, "active", "test", 50, None, [INFER]),
    (5, "active", "live", 90, 1, [INFER]),
    (6, "expired", "live", 90, 50, [INFER]),
]
HOURS = [0, 1, 2, 20, 50, 51, 90, 100]
WAITING = ("requested", "ready")


@dataclass(frozen=True)
class Key:
    """One key as it was put there, with the numbers of its grant, phase and so on."""

    pk: int
    kid: str
    grant: int
    status: str
    kind: str
    issued_at: datetime
    used_at: datetime | None
    scopes: list

    @property
    def lives(self):
        return self.status in ("requested", "ready", "active")


class Places:
    """Four phases of three releases, partners, people, and the twelve keys in them."""

    def __init__(self):
        self.release = [ModelReleaseFactory() for _ in range(3)]
        of = [0, 0, 1, 2]
        self.phase = [RolloutPhaseFactory(release=self.release[number]) for number in of]
        for release in self.release:
            for scope in (INFER, TRIAGE, NOBODYS):
                CapabilityFactory(release=release, scope=scope)
        self.organization = [OrganizationFactory() for _ in range(3)]
        self.person = [UserFactory() for _ in range(5)]
        self.reviewer = [UserFactory(is_staff=True) for _ in range(3)]
        self.grants = [self._grant(*row) for row in GRANTS]
        self.application = [grant.application for grant in self.grants]
        self.keys = [self._key(*row) for row in KEYS]

    def _grant(self, phase, person, organization, scopes, reviewers):
        partner = None if organization is None else self.organization[organization]
        grant = GrantFactory(
            application__phase=self.phase[phase],
            application__applicant=self.person[person],
            application__organization=partner,
            scopes=scopes,
        )
        for number, reviewer in enumerate(reviewers, 1):
            application = grant.application
            revision = Revision.objects.create(
                application=application, number=number, snapshot={}, submitted_by=grant.holder
            )
            Decision.objects.create(
                application=application,
                revision=revision,
                outcome="approved",
                reason_code="meets_criteria",
                decided_by=self.reviewer[reviewer],
            )
        return grant

    def _key(self, number, status, kind, issued, used, scopes):
        fields = {"grant": self.grants[number], "kind": kind, "scopes": scopes}
        at = NOW - timedelta(hours=issued)
        if status in WAITING:
            key = CredentialFactory(**fields, status=status, requested_at=at)
        else:
            # Asked for long before: the claim is what counts.
            asked = at - timedelta(hours=30)
            key, _token = make_live_key(**fields, status=status, requested_at=asked, claimed_at=at)
        used_at = None if used is None else NOW - timedelta(hours=used)
        if used_at:
            CredentialUse.objects.create(credential=key, last_used_at=used_at)
        return Key(key.pk, key.kid, number, status, kind, at, used_at, scopes)

    def selector(self, drawn):
        """The criteria as somebody types them."""
        return Selector(**{name: self._typed(name, value) for name, value in drawn.items()})

    def _typed(self, name, value):
        if name in SEVERAL:
            between = (";", "\n", " ;\n")[len(value) % 3]
            return between.join(self._one(name, each) for each in sorted(value))
        if name == "kids":
            return ", ".join(self.keys[number].kid for number in value)
        return NOW - timedelta(hours=value)

    def _one(self, name, value):
        if name == "capability":
            return value
        thing = getattr(self, name)[value]
        if value % 2:
            return thing.ref.lower()
        if name in ("person", "reviewer"):
            return f" {thing.email.upper()} "
        return thing.name if name == "organization" else thing.ref

    # --- The model --------------------------------------------------------------------------------
    def names_grant(self, drawn, number, scopes):
        """Whether every criterion that is about grants holds."""
        phase, person, organization, _scopes, reviewers = GRANTS[number]
        is_so = {
            "release": [0, 0, 1, 2][phase],
            "phase": phase,
            "organization": organization,
            "person": person,
            "application": number,
        }
        held = [value in drawn[name] for name, value in is_so.items() if name in drawn]
        held += [bool(drawn["capability"] & set(scopes))] if "capability" in drawn else []
        held += [bool(drawn["reviewer"] & set(reviewers))] if "reviewer" in drawn else []
        return all(held)

    def hit(self, drawn, *, rehearsal=False):
        return {key.pk for key in self.keys if self._hits(drawn, key, rehearsal)}

    def _hits(self, drawn, key, rehearsal):
        return (
            key.lives
            and (key.kind == "test" or not rehearsal)
            and self.names_grant(drawn, key.grant, key.scopes)
            and ("kids" not in drawn or self.keys.index(key) in drawn["kids"])
            and within(key.issued_at, drawn.get("issued_from"), drawn.get("issued_until"))
            and within(key.used_at, drawn.get("used_from"), drawn.get("used_until"))
        )

    def barred(self, drawn, killed):
        """Grants one of whose keys was killed, and those the criteria take in."""
        barred = {key.grant for key in self.keys if key.pk in killed}
        if set(drawn) <= set(ABOUT_GRANTS):
            barred |= {
                number
                for number, grant in enumerate(GRANTS)
                if self.names_grant(drawn, number, grant[3])
            }
        return {self.grants[number].pk for number in barred}


def within(moment, since, until):
    """From is inclusive, until exclusive; what never happened lies in no time."""
    if since is None and until is None:
        return True
    if moment is None:
        return False
    after = since is None or moment >= NOW - timedelta(hours=since)
    return after and (until is None or moment < NOW - timedelta(hours=until))


@pytest.fixture
def places():
    return Places()


def one_of(count):
    return st.integers(0, count - 1)


def some(values):
    """Of a criterion: one of them has to hold."""
    return st.sets(values, min_size=1, max_size=3)


CRITERIA = {
    "release": some(one_of(3)),
    "phase": some(one_of(4)),
    "organization": some(one_of(3)),
    "person": some(one_of(5)),
    "application": some(one_of(len(GRANTS))),
    "reviewer": some(one_of(3)),
    "capability": some(st.sampled_from([INFER, TRIAGE, NOBODYS])),
    "issued_from": st.sampled_from(HOURS),
    "issued_until": st.sampled_from(HOURS),
    "used_from": st.sampled_from(HOURS),
    "used_until": st.sampled_from(HOURS),
    "kids": st.sets(one_of(len(KEYS)), min_size=4),
}


@st.composite
def some_criteria(draw, of=tuple(CRITERIA)):
    """One to three at once: more name nothing."""
    names = draw(st.lists(st.sampled_from(of), min_size=1, max_size=3, unique=True))
    return {name: draw(CRITERIA[name]) for name in names}


@contextmanager
def undone():
    """What is done inside is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def composed(examples):
    """Each criterion comes a dozen times; CRITERIA=10 looks ten times as often."""
    examples *= int(os.environ.get("CRITERIA", "1"))
    return settings(
        max_examples=examples, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


@composed(100)
@given(drawn=some_criteria(), rehearsal=st.booleans())
def test_the_keys_that_every_criterion_names_and_no_others(places, drawn, rehearsal):
    expected = places.hit(drawn, rehearsal=rehearsal)
    event(f"hits {len(expected)}")
    selector = places.selector(drawn)
    found = list(live_credentials(selector, rehearsal=rehearsal).values_list("pk", flat=True))
    assert sorted(found) == sorted(expected)  # each once
    kept = Selector.from_json(selector.as_json())
    assert set(live_credentials(kept, rehearsal=rehearsal).values_list("pk", flat=True)) == expected


@composed(30)
@given(
    drawn=some_criteria() | some_criteria(ABOUT_GRANTS),
    spare=st.booleans(),
    drill=st.sampled_from([False, False, False, True]),
)
def test_once_confirmed_these_are_dead_and_their_grants_barred(places, drawn, spare, drill):
    """A drill bars nothing."""
    expected, by = places.hit(drawn, rehearsal=drill), responder()
    spared = {min(expected)} if spare and len(expected) > 1 else set()
    kids = {key.pk: key.kid for key in places.keys}
    event("nothing hit" if not expected else "bars by criteria" if _about_grants(drawn) else "hits")
    with undone():
        asked = {
            "selector": places.selector(drawn),
            "reason": "incident",
            "note": "",
            "exclusions": {kids[pk]: "Runs a ward." for pk in spared},
            "rehearsal": drill,
            "by": by,
        }
        if not expected:
            with pytest.raises(Invalid):
                services.preview_revocation(**asked)
            return
        confirm(services.preview_revocation(**asked), by)
        dead = set(Credential.objects.filter(status="revoked").values_list("pk", flat=True))
        assert dead == expected - spared
        barred = set() if drill else places.barred(drawn, expected - spared)
        assert barred_grants(Grant.objects.all()) == barred


def _about_grants(drawn):
    return set(drawn) <= set(ABOUT_GRANTS)


def confirm(case, by):
    return services.start_revocation(revocation_id=case.pk, by=by, **typed(case))


def test_nothing_is_barred_before(places):
    assert barred_grants(Grant.objects.all()) == set()


def test_an_organisation_may_have_a_semicolon_in_its_name(places):
    first, second = places.organization[:2]
    first.name = f"{second.name}; and sons"
    first.save()
    for named, kept in (
        (first.name, first.ref),
        (f"{first.ref}; {second.name}", [first.ref, second.ref]),
    ):
        assert Selector(organization=named).as_json() == {"organization": kept}


@pytest.mark.parametrize("typed", ["{0}; nobody", "nobody\n{0}", ";", "; \n"])
def test_one_that_is_unknown_among_several_is_refused(places, typed):
    ref = places.phase[0].ref
    with pytest.raises(Invalid, match="Nothing is known as"):
        live_credentials(Selector(phase=typed.format(ref)))


def test_only_so_many_may_be_named_at_once(places):
    with pytest.raises(Invalid, match="1,000 at most"):
        live_credentials(Selector(person=";".join(f"USR-{n}" for n in range(1001))))


def test_several_cost_no_more_statements_than_two(places, django_assert_num_queries):
    with django_assert_num_queries(2):  # who they are, and their keys
        list(live_credentials(Selector(phase="; ".join(each.ref for each in places.phase))))
