"""One person freezes, two different people lift: services, policies, the line of SQL."""

import re
from itertools import product
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials import freeze_policies, services
from portal.credentials.models import Freeze
from portal.errors import Invalid, NotAllowed
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.freezes import from_a_prompt, place, responder
from tests.factories.reviews import staff
from tests.factories.stories import again

pytestmark = pytest.mark.django_db

HANDBOOK = Path(__file__).parents[3] / "docs" / "operations.md"


def events(freeze):
    found = Event.objects.filter(subject=freeze.ref).order_by("pk")
    return [(event.kind, event.actor, event.payload) for event in found]


def test_placing_writes_the_freeze_and_its_event():
    partner, by = OrganizationFactory(), responder()
    freeze = again(place("organization", partner.ref, by=by, reason=" Seen in a dump. "))
    assert (freeze.level, freeze.target, freeze.placed_by) == ("organization", partner.ref, by.ref)
    assert (freeze.reason, freeze.lifted_at, freeze.lift_asked_at) == (
        "Seen in a dump.",
        None,
        None,
    )
    payload = {"level": "organization", "target": partner.ref}
    assert events(freeze) == [("freeze.placed", by.ref, payload)]


def test_placing_again_returns_the_one_that_stands():
    first = place(reason="First.")
    second = place(reason="Second.")
    assert (second.pk, second.reason) == (first.pk, "First.")
    assert len(events(first)) == 1


@pytest.mark.parametrize("frozen_again", [lambda: place(reason="Another leak.").ref, from_a_prompt])
def test_placing_again_ends_a_request_to_lift(frozen_again):
    """Whoever freezes now knows what whoever asked did not: nobody lifts it on the old request."""
    freeze = place()
    services.ask_to_lift(freeze_id=freeze.pk, by=responder())
    assert frozen_again() == freeze.ref
    with pytest.raises(NotAllowed) as refused:
        services.lift_freeze(freeze_id=freeze.pk, by=responder())
    assert refused.value.code == "lift_not_asked"
    assert [kind for kind, _actor, _payload in events(freeze)] == [
        "freeze.placed",
        "freeze.lift_asked",
        "freeze.kept",
    ]
    frozen_again()
    assert len(events(freeze)) == 3


def test_what_was_lifted_can_be_frozen_anew():
    first = lifted()
    second = place()
    assert (Freeze.objects.count(), second.pk != first.pk) == (2, True)


def test_the_one_from_a_prompt_stands_for_the_portal_too():
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze('everything')")
        (ref,) = cursor.fetchone()
    assert place().ref == ref


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_reason_is_needed(reason):
    with pytest.raises(Invalid) as refused:
        place(reason=reason)
    assert (refused.value.code, set(refused.value.fields)) == ("reason_missing", {"reason"})
    assert Freeze.objects.count() == 0


def test_a_reason_holds_no_key_and_no_more_than_fits():
    freeze = place(reason="tpk_live_" + "a" * 16 + "_" + "b" * 43 + "c" * 6 + " " + "x" * 600)
    assert again(freeze).reason == ("tpk_live_[redacted] " + "x" * 600)[:500]


def lifted():
    freeze = place()
    services.ask_to_lift(freeze_id=freeze.pk, by=responder())
    return services.lift_freeze(freeze_id=freeze.pk, by=responder())


def test_two_people_lift_it():
    freeze, asking, lifting = place(by=(placing := responder())), responder(), responder()
    services.ask_to_lift(freeze_id=freeze.pk, by=asking)
    assert again(freeze).lifted_at is None
    services.lift_freeze(freeze_id=freeze.pk, by=lifting)
    freeze = again(freeze)
    assert (freeze.lift_asked_by, freeze.lifted_by) == (asking, lifting)
    payload = {"level": "everything", "target": ""}
    assert events(freeze) == [
        ("freeze.placed", placing.ref, payload),
        ("freeze.lift_asked", asking.ref, payload),
        ("freeze.lifted", lifting.ref, payload),
    ]


def test_whoever_placed_it_may_be_one_of_the_two():
    by = responder()
    freeze = place(by=by)
    services.ask_to_lift(freeze_id=freeze.pk, by=by)
    services.lift_freeze(freeze_id=freeze.pk, by=responder())
    assert again(freeze).lifted_at


def test_kept_it_can_be_asked_for_again_and_the_one_who_declined_may_ask():
    freeze, asking, keeping = place(), responder(), responder()
    services.ask_to_lift(freeze_id=freeze.pk, by=asking)
    services.keep_freeze(freeze_id=freeze.pk, by=keeping)
    freeze = again(freeze)
    assert (freeze.lift_asked_at, freeze.lift_asked_by, freeze.lifted_at) == (None, None, None)
    services.ask_to_lift(freeze_id=freeze.pk, by=keeping)
    services.lift_freeze(freeze_id=freeze.pk, by=asking)
    kinds = [kind for kind, _actor, _payload in events(freeze)]
    assert kinds == [
        "freeze.placed",
        *("freeze.lift_asked", "freeze.kept"),
        *("freeze.lift_asked", "freeze.lifted"),
    ]


def test_the_database_refuses_one_person_twice():
    freeze, one = place(), responder()
    services.ask_to_lift(freeze_id=freeze.pk, by=one)
    with pytest.raises(IntegrityError, match="freeze_lifted_by_two"), transaction.atomic():
        Freeze.objects.filter(pk=freeze.pk).update(lifted_at=timezone.now(), lifted_by=one)


# --- The truth table ----------------------------------------------------------------------------
PEOPLE = ("stranger", "reviewer", "programme_manager", "auditor", "suspended", "asker", "colleague")
STANDINGS = ("in force", "asked", "lifted")


def expected(act, who, standing):
    if who == "suspended":
        return "account_suspended"
    if who not in {"asker", "colleague"}:
        return "no_permission"
    if standing == "lifted":
        return "lifted"
    asked, mine = standing == "asked", who == "asker"
    if act == "ask":
        return {(True, True): "asked_yourself", (True, False): "lift_asked"}.get((asked, mine), "")
    if not asked:
        return "lift_not_asked"
    return "asked_yourself" if act == "lift" and mine else ""


ACTS = {
    "ask": (freeze_policies.can_ask_to_lift, services.ask_to_lift),
    "lift": (freeze_policies.can_lift_freeze, services.lift_freeze),
    "keep": (freeze_policies.can_keep_freeze, services.keep_freeze),
}


def person(who):
    if who == "stranger":
        return UserFactory()
    if who == "suspended":
        return responder(suspended_at=timezone.now(), suspended_by=UserFactory())
    return responder() if who in {"asker", "colleague"} else staff(who)


def standing_as(standing, asker):
    freeze = place()
    if standing != "in force":
        services.ask_to_lift(freeze_id=freeze.pk, by=asker)
    if standing == "lifted":
        services.lift_freeze(freeze_id=freeze.pk, by=responder())
    return again(freeze)


@pytest.mark.parametrize(("act", "who", "standing"), list(product(ACTS, PEOPLE, STANDINGS)))
def test_who_may_do_what_when(act, who, standing):
    """The policy says it, and the service keeps to it."""
    by = person(who)
    freeze = standing_as(standing, by if who == "asker" else responder())
    policy, service = ACTS[act]
    verdict, code = policy(by, freeze), expected(act, who, standing)
    assert (verdict.code, bool(verdict)) == (code, not code)
    before = Event.objects.count()
    if code:
        with pytest.raises(NotAllowed) as refused:
            service(freeze_id=freeze.pk, by=by)
        assert refused.value.code == code
    else:
        service(freeze_id=freeze.pk, by=by)
    assert Event.objects.count() - before == (0 if code else 1)


@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_freeze_and_who_may_look(who):
    by = person(who)
    may = who in {"asker", "colleague"}
    looks = may or who in {"programme_manager", "auditor"}
    assert (bool(freeze_policies.can_freeze(by)), bool(freeze_policies.can_view_freezes(by))) == (
        may,
        looks,
    )
    if not may:
        with pytest.raises(NotAllowed):
            place(by=by)
        assert Freeze.objects.count() == 0


# --- The handbook's lines of SQL -----------------------------------------------------------------
def handbook_sql():
    section = HANDBOOK.read_text().partition("## Freezing access")[2].partition("\n## ")[0]
    return re.findall(r"^    (SELECT [^;]+);$", section, re.MULTILINE)


def test_the_handbook_s_lines_freeze_and_show_what_is_in_force():
    freezing, showing = handbook_sql()
    with connection.cursor() as cursor:
        cursor.execute(freezing)
        (ref,) = cursor.fetchone()
        cursor.execute(showing)
        columns = [column.name for column in cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    assert [(row["ref"], row["level"], row["target"], row["placed_by"]) for row in rows] == [
        (ref, "everything", "", "system:sql")
    ]
    services.ask_to_lift(freeze_id=Freeze.objects.get(ref=ref).pk, by=responder())
    services.lift_freeze(freeze_id=Freeze.objects.get(ref=ref).pk, by=responder())
    with connection.cursor() as cursor:
        cursor.execute(showing)
        assert cursor.fetchall() == []
