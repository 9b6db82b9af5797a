"""Proof of a case: every key asked about at every door, when all were refused, what is reported."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.credentials import doors, proof, services
from portal.credentials.models import Revocation, RevocationProof
from portal.credentials.services import proving
from portal.credentials.targets import Selector
from portal.errors import Conflict, NotAllowed
from portal.gateway.services import disable_gateway
from tests.factories.accounts import UserFactory
from tests.factories.cases import typed
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.factories.stories import WORKER
from tests.log import written

pytestmark = pytest.mark.django_db


@pytest.fixture
def door(phase):
    return make_gateway(phase.release, "Front")[0]


def live(phase, count=3, **fields):
    return [make_live_key(grant__application__phase=phase, **fields)[0] for _ in range(count)]


def preview(phase, by, **given):
    asked = {"selector": Selector(phase=phase.ref), "reason": "incident", "note": "Said to nobody"}
    return services.preview_revocation(**asked | given, by=by)


def confirm(case, by):
    return services.start_revocation(revocation_id=case.pk, by=by, **typed(case))


def prove(case, by=WORKER):
    return services.prove_revocation(revocation_id=case.pk, by=by)


def answers(case):
    rows = case.proofs.order_by("name", "at").values_list(
        "door", "name", "asked", "refused", "let_through"
    )
    return list(rows)


def said(case, door, *, asked, let_through=(), at=None):
    """A round as a door that lets keys through would have left it."""
    return RevocationProof.objects.create(
        revocation=case,
        door=door.client_id,
        name=door.name,
        asked=asked,
        refused=asked - len(let_through),
        let_through=list(let_through),
        at=at or timezone.now(),
    )


# --- Asking --------------------------------------------------------------------------------------
def test_a_case_is_proved_at_every_door_as_soon_as_it_is_confirmed(phase, by, door):
    live(phase)
    other = make_gateway(ModelReleaseFactory(), "Of another model")[0]
    sandbox = make_gateway(phase.release, "Sandbox", sandbox=True)[0]
    case = confirm(preview(phase, by), by)
    with written() as log:
        rows = prove(case)
    assert [row.door for row in rows] == sorted(each.client_id for each in (door, other, sandbox))
    assert answers(case) == [
        (door.client_id, "Front", 3, 3, []),
        (other.client_id, "Of another model", 3, 3, []),
        (sandbox.client_id, "Sandbox", 3, 3, []),
    ]
    assert log == [("revocation.proved", case.ref, case.ref, WORKER.ref)]


def test_keys_are_asked_about_before_workers_have_marked_them(phase, by, door):
    keys = live(phase, 2)
    case = preview(phase, by)
    # As a worker that was killed leaves a large case: confirmed, and no key marked.
    Revocation.objects.filter(pk=case.pk).update(
        status="running", confirmed_at=timezone.now(), confirmed_by=by
    )
    assert {key.status for key in keys} == {"active"}
    assert [(row.asked, row.refused) for row in prove(case)] == [(2, 2)]


def test_what_a_door_lets_through_is_noticed_and_named(phase, by, door):
    """No case can be made whose keys work; of a preview they do, and the same question is put."""
    keys, test_keys = live(phase, 2), live(phase, 1, kind="test")
    make_gateway(phase.release, "Sandbox", sandbox=True)
    make_gateway(ModelReleaseFactory(), "Of another model")
    case = preview(phase, by)
    asked = doors.registered()
    found = {(each.audience, each.sandbox): each for each in proving._ask_all(case, asked)}
    of = {each.name: found[each.audience, each.sandbox] for each in asked}
    told = {name: (answers.asked, sorted(answers.kids)) for name, answers in of.items()}
    assert told == {
        "Front": (3, sorted(key.kid for key in keys)),
        "Sandbox": (3, sorted(key.kid for key in [*keys, *test_keys])),
        "Of another model": (3, []),
    }


def test_only_so_many_are_named_but_all_are_counted(phase, by, door, monkeypatch):
    monkeypatch.setattr(proving, "SHOWN", 2)
    live(phase, 3)
    (found,) = proving._ask_all(preview(phase, by), doors.registered())
    assert (found.asked, found.let_through, len(found.kids)) == (3, 3, 2)


def test_a_case_of_several_pages_is_asked_about_whole(phase, by, door, monkeypatch):
    monkeypatch.setattr(proving, "ASK_AT_ONCE", 2)
    live(phase, 5)
    assert [(row.asked, row.refused) for row in prove(confirm(preview(phase, by), by))] == [(5, 5)]


def test_neither_keys_nor_doors_add_statements(phase, by, door):
    def cost(count, more):
        live(phase, count)
        for name in more:
            make_gateway(phase.release, name)
        case = confirm(preview(phase, by), by)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert [row.asked for row in prove(case)] == [count] * (1 + len(more))
        return len(asked)

    assert cost(1, []) == cost(9, ["Second"])


def test_a_disabled_door_is_not_asked(phase, by, door):
    closed = make_gateway(phase.release, "Closed")[0]
    staff = UserFactory(is_staff=True, permissions=["gateway.manage_gateways"])
    disable_gateway(gateway_id=closed.pk, by=staff)
    live(phase, 1)
    assert [row.door for row in prove(confirm(preview(phase, by), by))] == [door.client_id]


def test_a_worker_asks_once_and_a_person_as_often_as_they_like(phase, by, door):
    live(phase, 2)
    case = confirm(preview(phase, by), by)
    assert proof.unproved_revocations() == [case.pk]
    assert [len(prove(case)), len(prove(case)), len(prove(case, by))] == [1, 0, 1]
    assert proof.unproved_revocations() == []
    assert answers(case) == [(door.client_id, "Front", 2, 2, [])] * 2


def test_a_worker_asks_again_while_the_last_round_found_keys_that_work(phase, by, door):
    key, _ = live(phase, 2)
    case = confirm(preview(phase, by), by)
    said(case, door, asked=2, let_through=[key.kid])
    assert proof.unproved_revocations() == [case.pk]
    assert [row.refused for row in prove(case)] == [2]
    assert proof.unproved_revocations() == []


def test_without_doors_nothing_is_kept_and_nobody_is_rung(phase, by):
    live(phase, 1)
    case = confirm(preview(phase, by), by)
    with written() as log:
        assert prove(case) == prove(case, by) == []
    assert (log, answers(case), proof.unproved_revocations()) == ([], [], [])


@pytest.mark.parametrize("cancelled", [False, True], ids=["previewed", "cancelled"])
def test_keys_that_work_prove_nothing(phase, by, door, cancelled):
    live(phase, 1)
    case = preview(phase, by)
    if cancelled:
        services.cancel_revocation(revocation_id=case.pk, by=by)
    with pytest.raises((NotAllowed, Conflict)) as refused:
        prove(case, by)
    assert refused.value.code == "nothing_to_prove"
    assert (prove(case), answers(case), proof.unproved_revocations()) == ([], [], [])


def test_others_may_not_ask(phase, by, door):
    live(phase, 1)
    case = confirm(preview(phase, by), by)
    with pytest.raises(NotAllowed) as refused:
        prove(case, UserFactory(is_staff=True, permissions=["credentials.view_revocation"]))
    assert refused.value.code == "no_permission"


def test_each_kind_of_door_has_the_moment_of_its_own_last_answer(phase, by, door):
    live(phase, 2)
    twin = make_gateway(phase.release, "Twin")[0]
    other = make_gateway(ModelReleaseFactory(), "Of another model")[0]
    case, began = confirm(preview(phase, by), by), timezone.now()
    rows = {row.door: row for row in prove(case)}
    moments = {
        name: rows[each.client_id].at
        for name, each in (("front", door), ("twin", twin), ("other", other))
    }
    assert moments["front"] == moments["twin"] != moments["other"]
    assert all(began <= at <= timezone.now() for at in moments.values())
    assert proof.unproved_revocations() == []


@pytest.mark.parametrize("let_through_first", [True, False])
def test_of_a_round_the_door_that_lets_keys_through_counts_whenever_it_was_asked(
    phase, by, door, let_through_first
):
    key = live(phase, 1)[0]
    case = confirm(preview(phase, by), by)
    good, began = make_gateway(phase.release, "Good")[0], case.confirmed_at
    after = (1, 2) if let_through_first else (2, 1)
    said(case, door, asked=1, let_through=[key.kid], at=began + timedelta(seconds=after[0]))
    said(case, good, asked=1, at=began + timedelta(seconds=after[1]))
    assert proof.unproved_revocations() == [case.pk]
    staff = UserFactory(is_staff=True, permissions=["gateway.manage_gateways"])
    disable_gateway(gateway_id=door.pk, by=staff)
    assert proof.unproved_revocations() == []  # nobody asks at a door that is closed


# --- Time to zero --------------------------------------------------------------------------------
def test_time_to_zero_is_that_of_the_slowest_door(phase, by, door):
    key = live(phase, 1)[0]
    case = confirm(preview(phase, by), by)
    slow, began = make_gateway(phase.release, "Slow")[0], case.confirmed_at
    for after, at, through in ((1, door, []), (1, slow, [key.kid]), (4, slow, []), (9, slow, [])):
        said(case, at, asked=1, let_through=through, at=began + timedelta(seconds=after))
    found = proof.door_proofs(case)
    assert [(each.name, each.seconds_to_zero) for each in found] == [("Front", 1.0), ("Slow", 4.0)]
    assert [each.last_asked_at - began for each in found] == [
        timedelta(seconds=1),
        timedelta(seconds=9),
    ]
    assert proof.seconds_to_zero(found) == 4.0


def test_one_door_that_lets_keys_through_in_the_end_leaves_no_time_to_zero(phase, by, door):
    key = live(phase, 1)[0]
    case = confirm(preview(phase, by), by)
    good, began = make_gateway(phase.release, "Good")[0], case.confirmed_at
    for after, at, through in ((1, good, []), (1, door, []), (2, door, [key.kid])):
        said(case, at, asked=1, let_through=through, at=began + timedelta(seconds=after))
    found = proof.door_proofs(case)
    assert [(each.is_zero, each.let_through) for each in found] == [(False, [key.kid]), (True, [])]
    assert proof.seconds_to_zero(found) is None


def test_nothing_asked_is_no_time_to_zero(phase, by):
    live(phase, 1)
    assert proof.seconds_to_zero(proof.door_proofs(confirm(preview(phase, by), by))) is None


def test_a_contained_case_is_proved_by_a_person_and_anew_once_confirmed(phase, by, door):
    live(phase, 2)
    case = preview(phase, by)
    case = services.contain_revocation(revocation_id=case.pk, by=by)
    assert prove(case) == []  # a worker is owed nothing before it is confirmed
    assert [row.refused for row in prove(case, by)] == [2]
    (held,) = proof.door_proofs(case)
    assert held.zero_at - timedelta(seconds=held.seconds_to_zero) - case.contained_at < timedelta(
        milliseconds=1
    )
    case = confirm(case, by)
    assert proof.door_proofs(case) == []  # what was asked before says nothing of it
    assert proof.unproved_revocations() == [case.pk]
    assert [row.refused for row in prove(case)] == [2]


# --- The report ----------------------------------------------------------------------------------
def test_the_report_says_everything_in_plain_data_and_nothing_private(phase, by, door, settings):
    settings.AUTHORIZE_WITHIN = 1.5
    keys, spared = live(phase, 2), live(phase, 1)[0]
    case = preview(phase, by, title="Leak", exclusions={spared.kid: "Answers the emergency line"})
    case = confirm(case, by)
    prove(case)
    report = proof.proof_report(case)
    assert json.loads(json.dumps(report)) == report
    (asked,) = report["doors"]
    assert (report["case"], report["title"], report["digest"]) == (case.ref, "Leak", case.digest)
    assert report["who"] == {
        "requested_by": by.ref,
        "contained_by": None,
        "asked_by": None,
        "confirmed_by": by.ref,
    }
    assert report["when"]["confirmed_at"] == case.confirmed_at.isoformat()
    assert report["keys"] == {"total": 2, "holders": 2}
    assert {name: asked[name] for name in ("door", "serves", "asked", "refused")} == {
        "door": door.client_id,
        "serves": 2,
        "asked": 2,
        "refused": 2,
    }
    assert report["seconds_to_zero"] == asked["seconds_to_zero"] >= 0
    assert report["may_be_late"] == {"forward_auth_seconds": 1.5, "tokens_seconds": 60}
    assert report["left_alive"] == [{"kid": spared.kid, "reason": "Answers the emergency line"}]
    nobody = {"mails_sent": 0, "mails_waiting": 0, "mails_given_up": 0, "stragglers": []}
    machines = {"total": 0, "delivered": 0, "waiting": 0, "given_up": 0, "failing": []}
    assert report["told"] == {"parties": 0, "told": 0, "mails": 0, **nobody, "webhooks": machines}
    text = json.dumps(report)
    people = [by, *(key.grant.holder for key in keys)]
    assert [person.email for person in people if person.email in text] == []
    assert case.note not in text


def test_serves_counts_the_keys_a_door_would_take(phase, by):
    live(phase, 2), live(phase, 1, kind="test")
    names = ["Front", "Other", "Sandbox"]
    make_gateway(phase.release, "Front")
    make_gateway(phase.release, "Sandbox", sandbox=True)
    make_gateway(ModelReleaseFactory(), "Other")
    case = confirm(preview(phase, by), by)
    prove(case)
    assert [(each.name, each.serves) for each in proof.door_proofs(case)] == list(
        zip(names, [2, 0, 3], strict=True)
    )


def test_the_file_has_a_line_a_door_and_no_formulas(phase, by):
    door = make_gateway(phase.release, "=HYPERLINK(1)")[0]
    live(phase, 1)
    case = confirm(preview(phase, by), by)
    prove(case)
    head, line = proof.proof_rows(case)
    row = dict(zip(head, line, strict=True))
    told = {name: row[name] for name in head[:7]}
    assert told == {
        "case": case.ref,
        "door": door.client_id,
        "name": "'=HYPERLINK(1)",
        "serves": 1,
        "asked": 1,
        "refused": 1,
        "let_through": "",
    }
    assert row["zero_at"] == row["last_asked_at"]


def test_a_drill_is_proved_as_a_real_case_is(phase, by):
    live(phase, 1, kind="test")
    sandbox = make_gateway(phase.release, "Sandbox", sandbox=True)[0]
    case = confirm(preview(phase, by, rehearsal=True), by)
    assert [(row.door, row.asked, row.refused) for row in prove(case)] == [
        (sandbox.client_id, 1, 1)
    ]
    assert proof.proof_report(case)["rehearsal"] is True


def test_of_a_list_of_cases_each_has_its_time_in_one_statement(
    phase, by, django_assert_num_queries
):
    cases = []
    for _ in range(3):
        live(phase, 1)
        cases.append(confirm(preview(phase, by), by))
    front, back = (make_gateway(phase.release, name)[0] for name in ("Front", "Back"))
    began = cases[0].confirmed_at
    said(cases[0], front, asked=1, at=began + timedelta(seconds=2))
    said(cases[0], back, asked=1, let_through=["a"], at=began + timedelta(seconds=3))
    said(cases[0], back, asked=1, at=began + timedelta(seconds=7))
    said(cases[1], front, asked=1, let_through=["a"])
    live(phase, 1)
    looked_at = preview(phase, by)
    with django_assert_num_queries(1):
        times = proof.times_to_zero([*cases, looked_at])
    assert times == {cases[0].pk: 7.0, **{each.pk: None for each in [*cases[1:], looked_at]}}
    assert times[cases[0].pk] == proof.seconds_to_zero(proof.door_proofs(cases[0]))
