"""A case of revocation: workers tell the holders, each once, whatever fails in between."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from portal.credentials import case_report, services
from portal.credentials.enums import ItemStatus as I
from portal.credentials.models import Revocation
from portal.credentials.selectors import (
    SETTLE,
    unfinished_revocations,
)
from portal.credentials.services import finishing, leasing
from portal.credentials.verification import explain
from portal.errors import NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import let_pass
from tests.factories.credentials import make_live_key
from tests.factories.stories import again
from tests.log import events_about, written
from tests.unit.credentials.by_phase import (
    confirm,
    finish,
    items,
    live,
    no_mail_to,
    overdue,
    preview,
    told,
)

pytestmark = pytest.mark.django_db


def test_all_are_dead_at_commit_and_work_goes_on_where_it_stopped(phase, by, monkeypatch, settings):
    settings.REVOCATION_CHUNK = 2
    monkeypatch.setattr(finishing, "WORK_FOR", 0)  # one step a task
    keys = live(phase)
    case = preview(phase, by)
    confirm(case, by)
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 3
    assert items(case) == [I.PENDING, I.PENDING, I.FROZEN]
    assert [again(key).status for key in keys] == ["revoked", "revoked", "active"]
    assert (finish(case), items(case)) == (1, [I.PENDING] * 3)
    assert (finish(case), items(case)) == (1, [I.DONE, I.PENDING, I.PENDING])
    assert again(case).status == "running"
    assert (finish(case), finish(case), again(case).status) == (1, 1, "completed")
    with written() as log:
        assert finish(case) == 0
    assert (log, told()) == ([], sorted(key.kid for key in keys))


def test_a_partner_s_people_are_told_once_of_all_its_keys(phase, by):
    """Whoever looks after its keys of every one, other holders of their own; others nothing."""
    partner = OrganizationFactory()
    owner, contact, member, holder = (UserFactory() for _ in range(4))
    for person, role in ((owner, "owner"), (contact, "technical_contact"), (member, "member")):
        MembershipFactory(organization=partner, user=person, role=role)
    of_partner = [
        make_live_key(
            grant__application__phase=phase,
            grant__application__organization=partner,
            grant__application__applicant=person,
        )[0]
        for person in (holder, contact)
    ]
    (alone,) = live(phase, 1)
    case = preview(phase, by)
    assert case_report.figures(case).mails == 4
    confirm(case, by)
    finish(case)
    mails = OutgoingMail.objects.values_list("to", "context__count", "context__partner")
    assert sorted(mails) == sorted(
        [
            (owner.email, 2, partner.name),
            (contact.email, 2, partner.name),
            (holder.email, 1, partner.name),
            (alone.grant.holder.email, 1, ""),
        ]
    )
    assert told() == sorted([*(key.kid for key in of_partner)] * 2 + [of_partner[0].kid, alone.kid])
    assert list(case.parties.order_by("-keys").values_list("keys", "mails")) == [(2, 3), (1, 1)]


def test_mails_of_a_case_leave_one_after_the_other(phase, by, settings):
    settings.MAILS_PER_MINUTE = 2
    live(phase, 3)
    case = preview(phase, by)
    confirm(case, by)
    finish(case)
    due = list(OutgoingMail.objects.order_by("pk").values_list("next_attempt_at", flat=True))
    assert [each - due[0] for each in due] == [timedelta(seconds=n) for n in (0, 30, 60)]


def test_paused_nobody_is_told_and_the_keys_stay_dead(phase, by):
    keys = live(phase, 2)
    case = preview(phase, by)
    confirm(case, by)
    services.pause_revocation(revocation_id=case.pk, by=by)
    let_pass(SETTLE)
    assert (finish(case), told(), unfinished_revocations()) == (0, [], [])
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 2
    with pytest.raises(NotAllowed):
        services.pause_revocation(revocation_id=case.pk, by=by)
    services.resume_revocation(revocation_id=case.pk, by=by)
    assert unfinished_revocations() == [case.pk]
    finish(case)
    assert (again(case).status, len(told())) == ("completed", 2)


def test_a_failure_is_counted_shown_logged_and_tried_again(phase, by, caplog):
    keys = live(phase, 2)
    case = preview(phase, by)
    confirm(case, by)
    with no_mail_to(keys[0].grant.holder):
        assert finish(case) == 2
        assert (items(case), told()) == ([I.PENDING, I.DONE], [keys[1].kid])
        failed = case.parties.get(holder=keys[0].grant.holder)
        assert (failed.status, failed.attempts) == ("failed", 1)
        assert failed.last_error == "ProgrammingError"
        assert ("Traceback" in caplog.text, "in queue_mail" in caplog.text) == (True, True)
        assert failed.next_attempt_at > timezone.now()
        assert finish(case) == 0  # not due yet
    assert explain(keys[0].kid).code == "key_revoked"
    overdue()
    assert (finish(case), items(case)) == (1, [I.DONE, I.DONE])
    assert (again(case).status, told()) == ("completed", sorted(key.kid for key in keys))


def test_stragglers_are_named_and_still_told_when_it_works_again(phase, by):
    (key,) = live(phase, 1)
    case = preview(phase, by)
    confirm(case, by)
    with no_mail_to(key.grant.holder), written() as log:
        for _ in range(finishing.GIVE_UP_WAITING_AFTER + 1):
            overdue()
            finish(case)
    assert (again(case).status, items(case)) == ("completed_with_stragglers", [I.PENDING])
    assert [kind for kind, *_ in log] == ["revocation.completed_with_stragglers"]
    let_pass(SETTLE)
    overdue()
    assert unfinished_revocations() == [case.pk]
    finish(case)
    assert (again(case).status, items(case), told()) == ("completed", [I.DONE], [key.kid])
    assert unfinished_revocations() == []


def test_one_worker_at_a_time_has_a_case(phase, by):
    live(phase)
    case = preview(phase, by)
    assert unfinished_revocations() == []
    confirm(case, by)
    assert unfinished_revocations() == []  # rung a moment ago
    let_pass(SETTLE)
    assert unfinished_revocations() == [case.pk]
    Revocation.objects.update(leased_until=timezone.now() + timedelta(seconds=9), fence=7)
    assert (unfinished_revocations(), finish(case)) == ([], 0)
    Revocation.objects.update(leased_until=timezone.now())  # it was killed
    assert unfinished_revocations() == [case.pk]
    finish(case)
    assert (again(case).status, again(case).fence) == ("completed", 8)


def test_a_worker_that_lost_its_case_changes_nothing(phase, by):
    live(phase, 1)
    case = preview(phase, by)
    confirm(case, by)
    fence = leasing.take_lease(Revocation, case.pk, ["running"])
    Revocation.objects.update(leased_until=timezone.now())
    assert finish(case) == 1
    with pytest.raises(leasing.LeaseLostError):
        finishing._mark_step(case.pk, fence, [])
    with pytest.raises(leasing.LeaseLostError):
        finishing._next_party(case.pk, fence)
    with pytest.raises(leasing.LeaseLostError):
        finishing._tell(case.pk, fence, case.parties.get().pk)
    assert len(told()) == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_tell_each_holder_once(phase, by, concurrently):
    keys = live(phase, 8)
    case = preview(phase, by)
    confirm(case, by)
    outcomes = concurrently(*[lambda: finish(case) for _ in range(4)])
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    finish(case)
    assert told() == sorted(key.kid for key in keys)
    assert again(case).status == "completed"
    completed = [e for e in events_about(case.ref) if e.kind == "revocation.completed"]
    assert len(completed) == 1


@pytest.mark.parametrize(("step", "rests"), [(2, False), (1, True)])
def test_after_each_step_of_a_large_case_a_worker_rests(phase, by, monkeypatch, step, rests):
    live(phase, 2)
    case = preview(phase, by)
    confirm(case, by)
    rested = []
    monkeypatch.setattr(finishing, "_STEP", step)
    # Not the module itself: whatever thread of this process sleeps would be noted.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=rested.append)
    monkeypatch.setattr(finishing, "time", clock)
    finish(case)
    assert again(case).status == "completed"
    assert bool(rested) is rests
    assert all(0 < seconds <= 1 for seconds in rested)
