"""A case of revocation: what is frozen, what dies, who is told, and how often."""

import hashlib
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from portal.audit.selectors import events_about
from portal.credentials import case_report, selectors, services
from portal.credentials.enums import ItemStatus as I
from portal.credentials.models import Credential, Revocation, RevocationParty
from portal.credentials.selectors import (
    SETTLE,
    unfinished_revocations,
)
from portal.credentials.services import finishing, leasing
from portal.credentials.services.typed import must_be_as_shown
from portal.credentials.targets import Selector, barred_grants, pick_kids, split_kids
from portal.credentials.verification import explain
from portal.errors import Conflict, DomainError, Gone, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import let_pass
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.stories import WORKER, again, manager, responder
from tests.log import written

pytestmark = pytest.mark.django_db


@pytest.fixture
def phase():
    return RolloutPhaseFactory()


@pytest.fixture
def by():
    return responder()


def live(phase, count=3, **given):
    return [make_live_key(grant__application__phase=phase, **given)[0] for _ in range(count)]


def preview(phase, by, **given):
    asked = {"selector": Selector(phase=phase.ref), "reason": "incident", "note": ""}
    return services.preview_revocation(**asked | given, by=by)


def confirm(case, by, **given):
    asked = {"digest": case.digest, "typed_count": str(case.count)}
    asked["typed_word"] = services.word_of(case.digest)
    return services.start_revocation(revocation_id=case.pk, **asked | given, by=by)


def approve(case, by):
    asked = {"digest": case.digest, "typed_count": str(case.count)}
    asked["typed_word"] = services.word_of(case.digest)
    return services.approve_revocation(revocation_id=case.pk, **asked, by=by)


def finish(case):
    return services.finish_revocation(revocation_id=case.pk, by=WORKER)


def items(case):
    return list(case.items.order_by("pk").values_list("status", flat=True))


def told():
    """The kids that mails name: one key's, or a list of them."""
    said = OutgoingMail.objects.values_list("context", flat=True)
    return sorted(kid for each in said for kid in each.get("kids", [each.get("kid")]))


def parties(case):
    return list(case.parties.order_by("pk").values_list("status", flat=True))


def overdue():
    """Let the pauses between attempts be over."""
    RevocationParty.objects.update(next_attempt_at=timezone.now())


@contextmanager
def no_mail_to(person):
    """The database itself refuses to queue mail for this person."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_mail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER refuse_mail BEFORE INSERT ON mail_outgoingmail FOR EACH ROW "
            f"WHEN (NEW.\"to\" = '{person.email}') EXECUTE FUNCTION refuse_mail()"
        )
        yield
        cursor.execute("DROP TRIGGER refuse_mail ON mail_outgoingmail")
        cursor.execute("DROP FUNCTION refuse_mail()")


# --- Preview -----------------------------------------------------------------------------------
def test_a_preview_freezes_the_live_keys_and_revokes_nothing(phase, by):
    keys = live(phase)
    slot = CredentialFactory(grant__application__phase=phase)
    make_live_key(  # dead before
        grant__application__phase=phase, status="expired", expires_at=timezone.now()
    )
    make_live_key()  # of another phase
    with written() as log:
        case = preview(phase, by)
    kids = sorted(key.kid for key in [*keys, slot])
    assert (case.status, case.count, items(case)) == ("previewed", 4, [I.FROZEN] * 4)
    assert case.digest == hashlib.sha256("\n".join(kids).encode()).hexdigest()
    assert case.expires_at - case.previewed_at == timedelta(minutes=15)
    assert log == [
        ("revocation.drafted", case.ref, case.ref, by.ref),
        ("revocation.previewed", case.ref, case.ref, by.ref),
    ]
    assert all(explain(key.kid) for key in keys)


def test_a_preview_is_refused_without_anything_to_do_or_a_known_reason(phase, by):
    for asked in ({}, {"reason": "whim"}, {"selector": Selector()}):
        with pytest.raises(Invalid):
            preview(phase, by, **asked)
    with pytest.raises(NotAllowed):
        preview(phase, manager())
    assert not Revocation.objects.exists()


def test_a_note_never_keeps_a_key(phase, by):
    _key, token = make_live_key(grant__application__phase=phase)
    case = preview(phase, by, note=f"curl -H 'Bearer {token}'")
    assert case.note == "curl -H 'Bearer tpk_live_[redacted]'"


@pytest.mark.parametrize(
    ("text", "kids"),
    [
        ("A" * 16, ["A" * 16]),
        (f"tpk_live_{'A' * 16}_{'s' * 49}", ["A" * 16]),
        (f'KEY="tpk_test_{"A" * 16}_{"s" * 20}"', ["KEY=", "A" * 16]),
        (f"API_KEY=tpk_live_{'A' * 16}_{'s' * 49},{'B' * 16}", ["A" * 16, "B" * 16]),
        (f"tpk_live_{'A' * 16}", ["A" * 16]),
        (" ,;\n\t", []),
    ],
)
def test_pasted_keys_are_cut_to_their_kids(text, kids):
    assert split_kids(text) == kids


def test_lines_that_hold_something_else_are_counted():
    assert pick_kids(f"kid\n{'A' * 16}\n\n{'B' * 16} x\n") == (["A" * 16, "B" * 16], [1, 4])


# --- Confirm -----------------------------------------------------------------------------------
def test_confirming_kills_and_says_so_once_a_key(phase, by):
    keys = live(phase)
    case = preview(phase, by)
    with written() as log:
        confirm(case, by)
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 3
    threads = [key.grant.application.ref for key in keys]
    assert log == [
        ("revocation.confirmed", case.ref, case.ref, by.ref),
        *(("credential.revoked", k.kid, t, by.ref) for k, t in zip(keys, threads, strict=True)),
    ]
    assert (items(case), told()) == ([I.PENDING] * 3, [])
    key = again(keys[0])
    assert (key.revoked_by, key.revoked_reason) == (by, "incident")


def test_what_died_or_was_born_while_the_preview_was_open(phase, by):
    keys = live(phase)
    case = preview(phase, by)
    services.revoke_credential(kid=keys[0].kid, reason="misuse", by=by)
    (later,) = live(phase, 1)
    with written() as log, pytest.raises(Conflict, match="1 more key came to life"):
        confirm(case, by)
    assert (log, bool(explain(keys[1].kid)), bool(explain(later.kid))) == ([], True, True)
    services.revoke_credential(kid=later.kid, reason="misuse", by=by)
    confirm(case, by)
    assert items(case) == [I.SKIPPED, I.PENDING, I.PENDING]
    assert again(keys[0]).revoked_reason == "misuse"
    finish(case)
    # The first and the latecomer by revocations of their own.
    assert told() == sorted(key.kid for key in [*keys, later])
    assert again(case).status == "completed"
    assert events_about(case.ref).first().kind == "revocation.completed"


def test_a_list_of_kids_means_these_and_no_others(phase, by):
    keys = live(phase)
    case = preview(phase, by, selector=Selector(kids=keys[0].kid))
    live(phase, 1)
    confirm(case, by)
    assert [bool(explain(key.kid)) for key in keys] == [False, True, True]


def selectors_of(grant):
    return {
        "release": grant.phase.release,
        "phase": grant.phase,
        "organization": grant.organization,
        "person": grant.holder,
    }


@pytest.mark.parametrize("by_what", ["release", "phase", "organization", "person", "kids"])
def test_no_new_key_grows_where_all_were_revoked_until_staff_allow_it(by, by_what):
    """Neither under a grant whose key died nor under one that had none at the time."""
    key, _token = make_live_key(grant__application__organization=OrganizationFactory())
    grant = key.grant
    bare = GrantFactory(
        application__phase=grant.phase,
        application__organization=grant.organization,
        application__applicant=grant.holder,
    )
    elsewhere = make_live_key()[0].grant
    value = key.kid if by_what == "kids" else selectors_of(grant)[by_what].ref
    case = preview(grant.phase, by, selector=Selector(**{by_what: value}))
    assert barred_grants([grant, bare, elsewhere]) == set()
    confirm(case, by)
    hit = {grant.pk} if by_what == "kids" else {grant.pk, bare.pk}
    assert barred_grants([grant, bare, elsewhere]) == hit
    with pytest.raises(NotAllowed) as refused:
        services.request_credential(grant_id=grant.pk, by=grant.holder)
    assert refused.value.code == "revoked_by_staff"
    with written() as log:
        services.allow_new_keys(grant_id=grant.pk, by=by)
    assert log == [("grant.new_keys_allowed", grant.ref, grant.application.ref, by.ref)]
    assert services.request_credential(grant_id=grant.pk, by=grant.holder).status == "requested"
    with pytest.raises(NotAllowed) as refused:
        services.allow_new_keys(grant_id=grant.pk, by=by)
    assert refused.value.code == "not_barred"


def test_an_organisation_named_like_another_s_reference_is_no_decoy(phase, by):
    key, _token = make_live_key(
        grant__application__phase=phase, grant__application__organization=OrganizationFactory()
    )
    make_live_key(grant__organization=OrganizationFactory(name=key.grant.organization.ref))
    case = preview(phase, by, selector=Selector(organization=key.grant.organization.ref))
    assert [item.credential_id for item in case.items.all()] == [key.pk]


@pytest.mark.django_db(transaction=True)
def test_a_key_asked_for_while_confirming_is_either_seen_or_refused(by, concurrently):
    for _ in range(5):
        key, _token = make_live_key()
        grant = key.grant
        case = preview(grant.phase, by, selector=Selector(person=grant.holder.ref))
        outcomes = concurrently(
            lambda case=case: confirm(case, by),
            lambda grant=grant: services.request_credential(grant_id=grant.pk, by=grant.holder),
        )
        refused = [outcome.code for outcome in outcomes if isinstance(outcome, DomainError)]
        assert refused in (["preview_grew"], ["revoked_by_staff"]), outcomes
        assert bool(explain(key.kid)) is (refused == ["preview_grew"])


@pytest.mark.parametrize("typed", ["1,000", " 1000 ", "1 000", "1.000", "1'000"])
def test_the_count_may_be_typed_as_people_group_digits(typed):
    digest = "0" * 64
    word = services.word_of(digest)
    given = {"count": 1000, "shown": digest, "digest": digest, "typed_word": word, "nothing": "No."}
    must_be_as_shown(**given, typed_count=typed)
    with pytest.raises(Invalid):
        must_be_as_shown(**given, typed_count=f"{typed}0")


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"typed_count": "4"}, Invalid),
        ({"typed_count": ""}, Invalid),
        ({"digest": ""}, Conflict),
        ({"digest": "f" * 64}, Conflict),
    ],
)
def test_nothing_dies_without_this_digest_and_this_count(phase, by, given, refusal):
    keys = live(phase)
    case = preview(phase, by)
    with written() as log, pytest.raises(refusal):
        confirm(case, by, **given)
    assert log == []
    assert all(explain(key.kid) for key in keys)


def test_an_old_a_cancelled_and_a_stranger_s_confirmation_are_refused(phase, by):
    (key,) = live(phase, 1)
    case = preview(phase, by)
    with pytest.raises(NotAllowed):
        confirm(case, UserFactory())
    Revocation.objects.update(expires_at=timezone.now())
    with pytest.raises(Gone):
        confirm(case, by)
    case.refresh_from_db()
    services.cancel_revocation(revocation_id=case.pk, by=by)
    for act in (confirm, lambda case, by: services.cancel_revocation(revocation_id=case.pk, by=by)):
        with pytest.raises((Conflict, NotAllowed)):
            act(case, by)
    assert explain(key.kid)


# --- Telling the holders -----------------------------------------------------------------------
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
    for late in (finishing._mark_step, finishing._next_party):
        with pytest.raises(leasing.LeaseLostError):
            late(case.pk, fence)
    with pytest.raises(leasing.LeaseLostError):
        finishing._tell(case.pk, fence, case.parties.get().pk)
    assert len(told()) == 1


# --- Containing, exclusions, two people, the cap ------------------------------------------------
def test_contained_keys_are_refused_until_somebody_else_lets_them_go(phase, by):
    keys = live(phase, 2)
    (other,) = live(RolloutPhaseFactory(), 1)
    case = preview(phase, by)
    with written() as log:
        services.contain_revocation(revocation_id=case.pk, by=by)
    assert log == [("revocation.contained", case.ref, case.ref, by.ref)]
    assert [explain(key.kid).code for key in keys] == ["frozen_case"] * 2
    assert explain(other.kid)
    with pytest.raises(NotAllowed) as refused:
        services.cancel_revocation(revocation_id=case.pk, by=by)
    assert refused.value.code == "same_person"
    with written() as log:
        services.cancel_revocation(revocation_id=case.pk, by=(second := responder()))
    assert log == [
        ("revocation.released", case.ref, case.ref, second.ref),
        ("revocation.cancelled", case.ref, case.ref, second.ref),
    ]
    assert [bool(explain(key.kid)) for key in keys] == [True, True]


def test_a_contained_case_can_be_confirmed_for_a_day(phase, by):
    keys = live(phase, 2)
    case = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    assert case.expires_at - case.contained_at == timedelta(days=1)
    confirm(case, by)
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 2


def test_no_key_takes_the_place_of_one_that_is_held_or_dead_but_unmarked(phase, by, settings):
    """Neither by rotation nor by asking for another, with every worker stopped."""
    settings.REVOCATION_CHUNK = 1
    first, key = live(phase, 2)
    case = preview(phase, by, selector=Selector(kids=f"{first.kid} {key.kid}"))

    def refusals():
        found = []
        for act in (
            lambda: services.rotate_credential(kid=key.kid, by=key.grant.holder),
            lambda: services.request_credential(grant_id=key.grant_id, by=key.grant.holder),
        ):
            with pytest.raises(NotAllowed) as refused, transaction.atomic():
                act()
            found.append(refused.value.code)
        return found

    services.contain_revocation(revocation_id=case.pk, by=by)
    assert refusals() == ["revoked_by_staff"] * 2
    confirm(case, by)
    assert (again(key).status, explain(key.kid).code) == ("active", "key_revoked")
    assert refusals() == ["revoked_by_staff"] * 2
    finish(case)
    assert refusals() == ["not_rotatable", "revoked_by_staff"]


def test_time_alone_neither_lets_contained_keys_go_nor_closes_their_case(phase, by):
    (key,) = live(phase, 1)
    other = critical(RolloutPhaseFactory())
    held = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    asked = confirm(preview(other.grant.phase, by, selector=Selector(kids=other.kid)), by)
    Revocation.objects.update(expires_at=timezone.now())
    services.close_what_is_over(by=WORKER)
    assert (again(held).status, again(asked).status) == ("previewed", "expired")
    assert explain(key.kid).code == "frozen_case"
    with pytest.raises(Gone):
        confirm(held, by)
    services.cancel_revocation(revocation_id=held.pk, by=responder())
    assert explain(key.kid)


def test_the_database_itself_lets_nobody_let_go_what_they_contained(phase, by):
    live(phase, 1)
    case = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    with pytest.raises(IntegrityError), transaction.atomic():
        Revocation.objects.filter(pk=case.pk).update(released_at=timezone.now(), released_by=by)


def test_what_is_left_alive_stays_so_and_says_why(phase, by):
    keys = live(phase, 3)
    spared = keys[1]
    case = preview(phase, by, exclusions={spared.kid: "Runs the clinic's night service."})
    assert (case.count, case.exclusions.get().credential) == (2, spared)
    confirm(case, by)
    assert [bool(explain(key.kid)) for key in keys] == [False, True, False]
    for exclusions in ({"A" * 16: "No such key."}, {make_live_key()[0].kid: "Not among them."}):
        with pytest.raises(Invalid) as refused:
            preview(phase, by, exclusions=exclusions)
        assert refused.value.code == "exclusion_unknown"
    live(phase, 1)
    with pytest.raises(Invalid) as refused:
        preview(phase, by, exclusions={spared.kid: "  "})
    assert refused.value.code == "exclusion_unexplained"


def critical(phase):
    scope = CapabilityFactory(release=phase.release, tier="critical").scope
    return make_live_key(grant__application__phase=phase, grant__scopes=[scope], scopes=[scope])[0]


def test_a_critical_scope_takes_two_people(phase, by):
    key, second = critical(phase), responder()
    case = confirm(preview(phase, by), by)
    assert (case.status, case.asked_by, bool(explain(key.kid))) == ("awaiting_second", by, True)
    asked = {"digest": case.digest, "typed_count": "1", "typed_word": services.word_of(case.digest)}
    with pytest.raises(NotAllowed) as refused:
        services.approve_revocation(revocation_id=case.pk, by=by, **asked)
    assert refused.value.code == "same_person"
    with pytest.raises(Conflict):
        services.approve_revocation(revocation_id=case.pk, by=second, **asked | {"digest": "0"})
    with written() as log:
        services.approve_revocation(revocation_id=case.pk, by=second, **asked)
    assert log[0] == ("revocation.confirmed", case.ref, case.ref, second.ref)
    assert (again(case).confirmed_by, explain(key.kid).code) == (second, "key_revoked")


def test_a_scope_that_its_release_does_not_know_counts_as_critical(phase, by):
    (key,) = live(phase, 1)
    assert not preview(phase, by).needs_second
    phase.release.capabilities.all().delete()
    CapabilityFactory(scope=key.scopes[0])  # of another release
    case = preview(phase, by)
    assert (case.needs_second, case_report.figures(case).highest) == (True, "critical")


def test_many_keys_take_two_people(phase, by, monkeypatch):
    monkeypatch.setattr(selectors, "MANY", 2)
    live(phase, 2)
    assert not preview(phase, by).needs_second
    live(phase, 1)
    assert preview(phase, by).needs_second
    monkeypatch.setattr(selectors, "MANY_OF_ALL", 1)  # of 3 active keys
    assert not preview(phase, by).needs_second


@pytest.mark.parametrize("contained", [False, True])
def test_what_has_become_critical_since_the_preview_takes_two_people(phase, by, contained):
    key, second = live(phase, 1)[0], responder()
    capability = CapabilityFactory(release=phase.release, scope=key.scopes[0])
    case = preview(phase, by)
    if contained:
        services.contain_revocation(revocation_id=case.pk, by=by)
    capability.tier = "critical"
    capability.save()
    case = confirm(case, by)
    assert (case.status, case.needs_second, again(key).status) == (
        "awaiting_second",
        True,
        "active",
    )
    capability.tier = "standard"  # what was once found to need two goes on needing two
    capability.save()
    with pytest.raises(NotAllowed):
        approve(case, by)
    assert approve(case, second).confirmed_by == second


def test_what_has_become_a_large_part_since_the_preview_takes_two_people(phase, by, monkeypatch):
    monkeypatch.setattr(selectors, "MANY", 2)
    monkeypatch.setattr(selectors, "MANY_OF_ALL", 0.5)
    live(phase, 3)
    others = live(RolloutPhaseFactory(), 4)
    assert not (case := preview(phase, by)).needs_second
    Credential.objects.filter(pk__in=[each.pk for each in others]).update(status="expired")
    assert confirm(case, by).status == "awaiting_second"


def test_a_drill_takes_one_person_whatever_has_become_of_its_capabilities(phase, by):
    (key,) = live(phase, 1, kind="test")
    case = preview(phase, by, rehearsal=True)
    CapabilityFactory(release=phase.release, scope=key.scopes[0], tier="critical")
    assert confirm(case, by).confirmed_by == by


@pytest.mark.parametrize("forged", [{}, {"asked_digest": "0" * 64}, {"asked_by": "self"}])
def test_the_database_itself_lets_nobody_be_both(phase, by, forged):
    critical(phase)
    case = preview(phase, by)
    who = {"asked_at": timezone.now(), "asked_by": responder(), "asked_digest": case.digest}
    who = (who | forged if forged else {}) | {"confirmed_at": timezone.now(), "confirmed_by": by}
    if who.get("asked_by") == "self":
        who["asked_by"] = by
    with pytest.raises(IntegrityError), transaction.atomic():
        Revocation.objects.filter(pk=case.pk).update(**who)


def test_more_than_the_cap_takes_a_permission_and_a_reason(phase, by, settings):
    settings.REVOCATION_CAP = 1
    keys = live(phase, 2)
    case = preview(phase, by)
    with pytest.raises(NotAllowed) as refused:
        confirm(case, by, beyond_cap="The whole phase has leaked, said the lab.")
    assert refused.value.code == "beyond_cap"
    lead = UserFactory(
        is_staff=True,
        permissions=["credentials.revoke_credentials", "credentials.break_glass"],
    )
    with pytest.raises(Invalid) as refused:
        confirm(case, lead, beyond_cap="Because.")
    assert refused.value.code == "cap_unexplained"
    confirm(case, lead, beyond_cap="The whole phase has leaked, said the lab.")
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 2
    assert again(case).beyond_cap == "The whole phase has leaked, said the lab."


def test_a_drill_hits_keys_to_test_alone_and_tells_nobody(phase, by):
    (key,) = live(phase, 1)
    test_key, _token = make_live_key(grant__application__phase=phase, kind="test")
    case = preview(phase, by, rehearsal=True)
    assert (case.count, case.needs_second, case_report.figures(case).mails) == (1, False, 0)
    confirm(case, by)
    finish(case)
    assert (again(case).status, told()) == ("completed", [])
    assert (explain(test_key.kid).code, bool(explain(key.kid))) == ("key_revoked", True)
    assert barred_grants([key.grant, test_key.grant]) == set()


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_at_once_are_one(phase, by, concurrently):
    live(phase)
    case, other = preview(phase, by), responder()
    outcomes = concurrently(*[lambda by=by: confirm(case, by) for by in (by, other, by, other)])
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [error.code for error in refused] == ["not_previewed"] * 3
    assert [again(key).status for key in Credential.objects.all()] == ["revoked"] * 3
    kinds = [event.kind for event in events_about(case.ref)]
    assert kinds.count("revocation.confirmed") == 1


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
