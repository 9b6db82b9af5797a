"""What a freeze can lie over: found, counted, named."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.credentials import levels
from portal.credentials.enums import DenyCode, FreezeLevel
from portal.credentials.facts import _SQL
from portal.credentials.holdings import ADVICE
from portal.credentials.levels import LEVELS, Aim, Stopped, count_stopped, find_aim
from portal.errors import Invalid
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.freezes import TARGETS, place, responder
from tests.factories.programs import RolloutPhaseFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    credential, _token = make_live_key(
        grant__application__organization=OrganizationFactory(name="Polar Institute"),
        grant__application__phase=RolloutPhaseFactory(name="Early", release__name="Halcyon"),
    )
    holder = credential.grant.holder
    holder.name, holder.email = "Ada Lindqvist", "ada@example.org"
    holder.save()
    return credential


def test_every_level_has_its_line_everywhere():
    assert list(LEVELS) == FreezeLevel.values
    codes = [code for code in DenyCode.values if code.startswith("frozen_")]
    codes.remove("frozen_case")  # a case of revocation is no level: it holds keys, one by one
    assert sorted(codes) == sorted(f"frozen_{level}" for level in LEVELS)
    assert set(codes) <= set(ADVICE)
    asked = _SQL.partition("(stop.level, stop.target) IN (")[2].partition("))")[0]
    assert re.findall(r"\('(\w+)'", asked) == list(LEVELS)


WORDS = {
    "everything": "Everything",
    "release": "Release: Halcyon",
    "phase": "Phase: Halcyon: Early",
    "organization": "Organisation: Polar Institute",
    "person": "Person: Ada Lindqvist",
}


@pytest.mark.parametrize("level", TARGETS)
def test_by_its_reference(key, level):
    ref = TARGETS[level](key)
    aim = find_aim(level, f" {ref.lower()} ")
    assert (aim.level, aim.ref, aim.words) == (level, ref, WORDS[level])


@pytest.mark.parametrize(
    ("level", "text", "found"),
    [
        ("person", "ADA@example.org", "person"),
        ("organization", "Polar Institute", "organization"),
    ],
)
def test_by_what_names_just_one(key, level, text, found):
    assert find_aim(level, text).ref == TARGETS[found](key)


@pytest.mark.parametrize(
    ("level", "text", "code"),
    [
        ("planet", "", "level_unknown"),
        ("everything", "REL-AAAAAAAA", "target_not_taken"),
        ("release", "", "target_unknown"),
        ("release", "REL-AAAAAAAA", "target_unknown"),
        ("phase", "Early", "target_unknown"),  # many releases have one of this name
        ("person", "Ada Lindqvist", "target_unknown"),  # as many people
        ("person", "nobody@example.org", "target_unknown"),
        ("organization", "Polar", "target_unknown"),  # a part is searched for, never frozen
    ],
)
def test_what_is_not_one_thing_is_refused(key, level, text, code):
    with pytest.raises(Invalid) as refused:
        find_aim(level, text)
    assert refused.value.code == code
    assert set(refused.value.fields) == {"level" if code == "level_unknown" else "target"}


def test_a_key_typed_by_mistake_is_not_shown_again():
    _credential, token = make_live_key()
    with pytest.raises(Invalid) as refused:
        find_aim("person", token)
    assert "tpk_live_[redacted]" in refused.value.message
    assert token not in refused.value.message


@pytest.mark.parametrize(
    ("level", "text", "found"),
    [
        ("release", "alcy", ["Halcyon"]),
        ("phase", "halcyon", ["Halcyon: Early"]),
        ("organization", "olar", ["Polar Institute"]),
        ("person", "lindq", ["Ada Lindqvist"]),
        ("person", "ada@", ["Ada Lindqvist"]),
        ("person", "nobody", []),
        ("everything", "x", []),
    ],
)
def test_searching_by_a_part(key, level, text, found):
    assert [str(each) for each in levels.search_targets(level, text)] == found


def test_searching_stops_at_one_more_than_is_shown():
    for _ in range(levels.MOST_FOUND + 5):
        UserFactory(name="Same")
    assert len(levels.search_targets("person", "Same")) == levels.MOST_FOUND + 1


def test_what_stops_is_counted_in_one_statement(key):
    phase, partner = key.grant.phase, key.grant.organization
    make_live_key(grant=key.grant)  # the same person's second
    alone = make_live_key(grant__application__phase=phase)[0]
    make_live_key(grant__application__organization=partner)  # of another phase
    make_live_key(grant=key.grant, expires_at=timezone.now())  # dead already
    aims = {level: Aim(level, ref(key)) for level, ref in TARGETS.items()}
    aims["alone"] = Aim("person", alone.grant.holder.ref)
    with CaptureQueriesContext(connection) as asked:
        counts = {name: count_stopped(aim) for name, aim in aims.items()}
    assert counts == {
        "everything": Stopped(4, 3, 1),
        "release": Stopped(3, 2, 1),
        "phase": Stopped(3, 2, 1),
        "organization": Stopped(3, 2, 1),
        "person": Stopped(2, 1, 1),
        "alone": Stopped(1, 1, 0),
    }
    assert len(asked) == len(counts)


def test_the_standing_ones_are_read_with_their_names_in_one_statement(key):
    by = responder(name="Ines Duarte")
    placed = {level: place(level, ref(key), by=by) for level, ref in TARGETS.items()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze('person', %s)", [UserFactory(name="").ref])
    with CaptureQueriesContext(connection) as asked:
        standing = levels.standing_freezes()
    assert len(asked) == 2  # the first is whether there are any
    assert {each.words for each in standing} - set(WORDS.values()) == {
        f"Person: {UserFactory._meta.model.objects.get(name='').email}"
    }
    assert [each.level for each in standing] == [*placed, "person"]
    assert {each.author for each in standing} == {"Ines Duarte", "a database prompt"}
    assert levels.freezes_by_level() == dict.fromkeys(TARGETS, 1) | {"person": 2}
