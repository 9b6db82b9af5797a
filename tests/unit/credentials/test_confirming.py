"""A case of revocation: what may be confirmed, what is dead then, and what grows back."""

import pytest
from django.utils import timezone

from portal.credentials import case_report, services
from portal.credentials.enums import ItemStatus as I
from portal.credentials.models import Credential, Revocation
from portal.credentials.services.typed import must_be_as_shown
from portal.credentials.targets import Selector, barred_grants
from portal.credentials.verification import explain
from portal.errors import Conflict, DomainError, Gone, Invalid, NotAllowed
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.stories import again, responder
from tests.log import events_about, written
from tests.unit.credentials.by_phase import confirm, finish, items, live, preview, told

pytestmark = pytest.mark.django_db


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


def test_no_new_key_grows_before_workers_have_written_the_case_on_each(by, phase, settings):
    """Of a case that names keys, so that only what it holds says whose they are."""
    settings.REVOCATION_CHUNK = 1
    keys = [make_live_key(grant__application__phase=phase)[0] for _ in range(3)]
    named = keys[:2]
    case = preview(phase, by, selector=Selector(kids=" ".join(key.kid for key in named)))
    confirm(case, by)
    marked = Credential.objects.filter(revoked_by_staff=True)
    assert marked.count() == 1
    assert barred_grants([key.grant for key in keys]) == {key.grant_id for key in named}


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
    given = {"count": 1000, "shown": digest, "digest": digest, "nothing": "No."}
    given |= {"word": word, "typed_word": word}
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
