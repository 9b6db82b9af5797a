"""Programmes: published once, terms never change, phases halt and resume."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from portal.audit.selectors import timeline
from portal.errors import Conflict, Invalid, NotAllowed
from portal.programs import policies, services
from portal.programs.models import (
    AgreementVersion,
    Capability,
    ModelRelease,
    Question,
    RolloutPhase,
    Signature,
)
from portal.programs.selectors import (
    current_agreement,
    highest_tier,
    open_phases,
    published_releases,
    signed_current_agreement,
)
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.factories.programs import ModelReleaseFactory
from tests.log import written

pytestmark = pytest.mark.django_db


def publish(release, text="Terms.", by=None):
    return services.publish_agreement(
        release_id=release.pk, title="Terms", text=text, by=by or stories.manager()
    )


def sign(agreement, *, by, **changed):
    given = {"sha256": agreement.sha256, "signed_name": "A. Person"} | changed
    return services.sign_agreement(agreement_id=agreement.pk, by=by, **given)


def test_publishing_a_release_shows_it_once():
    release, manager = ModelReleaseFactory(), stories.manager()
    assert list(published_releases()) == []
    with written() as log:
        services.publish_release(release_id=release.pk, by=manager)
    assert log == [("release.published", release.ref, release.ref, manager.ref)]
    assert list(published_releases()) == [release]
    with pytest.raises(Conflict):
        services.publish_release(release_id=release.pk, by=manager)


def test_terms_are_numbered_hashed_and_never_the_same_twice():
    release, manager = ModelReleaseFactory(), stories.manager()
    with written() as log:
        first, second = publish(release, by=manager), publish(release, "Other.", by=manager)
    assert log == [("agreement.published", release.ref, release.ref, manager.ref)] * 2
    assert (first.number, second.number) == (1, 2)
    assert second.sha256 == hashlib.sha256(b"Other.").hexdigest()
    assert current_agreement(release) == second
    with pytest.raises(Conflict):
        publish(release, "Other.")
    with pytest.raises(DatabaseError), transaction.atomic():
        AgreementVersion.objects.update(text="Different.")


def test_signing_binds_to_the_hash_and_twice_keeps_the_first():
    release, user = ModelReleaseFactory(), UserFactory()
    assert signed_current_agreement(user.pk, release)  # there are no terms yet
    agreement = publish(release)
    assert not signed_current_agreement(user.pk, release)
    with written() as log:
        first = sign(agreement, by=user)
        second = sign(agreement, by=user, signed_name="Another name")
    assert log == [("agreement.signed", user.ref, release.ref, user.ref)]
    assert (first, Signature.objects.get().signed_name) == (second, "A. Person")
    assert signed_current_agreement(user.pk, release)
    publish(release, "Newer.")
    assert not signed_current_agreement(user.pk, release)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"sha256": "0" * 64}, Conflict),
        ({"signed_name": "  "}, Invalid),
        ({"signed_name": "x" * 201}, Invalid),
    ],
)
def test_a_signature_that_binds_to_nothing_is_refused(changed, kind):
    agreement = publish(ModelReleaseFactory())
    with written() as log, pytest.raises(kind):
        sign(agreement, by=UserFactory(), **changed)
    assert (log, Signature.objects.count()) == ([], 0)


def test_old_terms_are_not_signed_any_more():
    release = ModelReleaseFactory()
    old = publish(release)
    publish(release, "Newer.")
    with pytest.raises(Conflict):
        sign(old, by=UserFactory())


def test_halting_and_resuming_a_phase():
    phase, manager = stories.open_phase(), stories.manager()
    with written() as log:
        services.halt_phase(phase_id=phase.pk, by=manager)
        assert list(open_phases()) == []
        with pytest.raises(NotAllowed) as refused:
            services.halt_phase(phase_id=phase.pk, by=manager)
        assert refused.value.code == "already_halted"
        services.resume_phase(phase_id=phase.pk, by=manager)
    assert log == [
        ("phase.halted", phase.ref, phase.ref, manager.ref),
        ("phase.resumed", phase.ref, phase.ref, manager.ref),
    ]
    assert list(open_phases()) == [phase]
    with pytest.raises(NotAllowed) as refused:
        services.resume_phase(phase_id=phase.pk, by=manager)
    assert refused.value.code == "not_halted"


def test_settings_are_saved_by_programme_managers_and_logged_under_their_phase():
    phase, manager = stories.open_phase(), stories.manager()
    question = Question.objects.get()
    phase.capacity, question.required = 3, False
    with written() as log:
        services.save_setting(setting=phase, by=manager)
        services.save_setting(setting=question, by=manager)
        services.remove_question(question=question, by=manager)
    assert log == [
        ("phase.saved", phase.ref, phase.ref, manager.ref),
        ("question.saved", phase.ref, phase.ref, manager.ref),
        ("question.removed", phase.ref, phase.ref, manager.ref),
    ]
    assert (stories.again(phase).capacity, Question.objects.count()) == (3, 0)


def payloads(ref):
    return [event.payload for event in reversed(timeline(ref))]


def test_the_log_says_what_an_edit_changed_and_keeps_no_words():
    phase, manager = stories.open_phase(capacity=10), stories.manager()
    phase.capacity, phase.reviewers_elevated, phase.closes_at = (
        3,
        4,
        datetime(2031, 1, 2, tzinfo=UTC),
    )
    phase.audience = "Everybody who asks."
    with written() as log:  # looks for words in payloads
        services.save_setting(setting=phase, by=manager)
        services.set_ceiling(phase_id=phase.pk, scopes=[stories.STANDARD], by=manager)
        question = phase.questions.get()
        question.help = "Take your time."
        services.save_setting(setting=question, by=manager)
    assert [line[0] for line in log] == ["phase.saved", "phase.ceiling_set", "question.saved"]
    assert payloads(phase.ref) == [
        {
            "closes_at": "2031-01-02T00:00:00Z",
            "closes_at_was": None,
            "capacity": 3,
            "capacity_was": 10,
            "reviewers_elevated": 4,
            "reviewers_elevated_was": 2,
            "reworded": ["audience"],
        },
        {"scopes": [stories.STANDARD], "scopes_was": sorted(stories.TIERS)},
        {"key": "purpose", "reworded": ["help"]},
    ]


def test_the_log_says_with_what_a_piece_began():
    release, manager = ModelReleaseFactory.build(), stories.manager()
    with written() as log:
        services.save_setting(setting=release, by=manager)
        capability = Capability(release=release, scope="model:infer", name="Ask", tier="standard")
        services.save_setting(setting=capability, by=manager)
        release.audience = "https://elsewhere.example.org"
        services.save_setting(setting=release, by=manager)
        capability.tier = "critical"
        services.save_setting(setting=capability, by=manager)
    assert len(log) == 4
    assert payloads(release.ref) == [
        {"slug": release.slug},
        {"scope": "model:infer", "tier": "standard"},
        {"reworded": ["audience"]},
        {"scope": "model:infer", "tier": "critical", "tier_was": "standard"},
    ]


def test_saving_what_is_the_same_is_not_an_event():
    phase, manager = stories.open_phase(), stories.manager()
    with written() as log:
        services.save_setting(setting=phase, by=manager)
        services.save_setting(setting=phase.questions.get(), by=manager)
    assert log == []


def test_an_edit_begun_before_a_halt_does_not_undo_it():
    phase, manager = stories.open_phase(), stories.manager()
    edited = stories.again(phase)
    edited.capacity = 3
    services.halt_phase(phase_id=phase.pk, by=manager)
    services.save_setting(setting=edited, by=manager)
    phase.refresh_from_db()
    assert (phase.capacity, bool(phase.halted_at), phase.halted_by) == (3, True, manager)
    edited, edited.capacity = stories.again(phase), 4
    services.resume_phase(phase_id=phase.pk, by=manager)
    services.save_setting(setting=edited, by=manager)
    phase.refresh_from_db()
    assert (phase.capacity, phase.halted_at) == (4, None)


def test_an_edit_begun_before_publication_does_not_undo_it():
    release, manager = ModelReleaseFactory(), stories.manager()
    edited = stories.again(release)
    edited.name = "Halcyon"
    services.publish_release(release_id=release.pk, by=manager)
    services.save_setting(setting=edited, by=manager)
    release.refresh_from_db()
    assert (release.name, bool(release.published_at)) == ("Halcyon", True)


def test_an_edit_of_a_question_removed_meanwhile_is_told():
    phase, manager = stories.open_phase(), stories.manager()
    edited = phase.questions.get()
    edited.prompt = "Why?"
    services.remove_question(question=phase.questions.get(), by=manager)
    with written() as log, pytest.raises(Conflict) as refused:
        services.save_setting(setting=edited, by=manager)
    assert (refused.value.code, log, Question.objects.count()) == ("removed", [], 0)


@pytest.mark.parametrize(
    ("model", "not_typed"),
    [
        (ModelRelease, {"id", "ref", "published_at", "created_at"}),
        (RolloutPhase, {"id", "ref", "release", "halted_at", "halted_by"}),
        (Capability, {"id", "release"}),
        (Question, {"id", "phase"}),
    ],
)
def test_of_every_column_it_is_known_whether_an_edit_writes_it(model, not_typed):
    columns = {field.name for field in model._meta.concrete_fields}
    typed = [*services.CODES[model], *services.WORDS[model]]
    assert len(typed) == len(set(typed))
    assert columns - set(typed) == not_typed


@pytest.mark.parametrize(
    "act",
    [
        lambda phase, by: services.save_setting(setting=phase, by=by),
        lambda phase, by: services.remove_question(question=phase.questions.get(), by=by),
        lambda phase, by: services.publish_release(release_id=phase.release_id, by=by),
        lambda phase, by: publish(phase.release, "Mine.", by=by),
        lambda phase, by: services.halt_phase(phase_id=phase.pk, by=by),
        lambda phase, by: services.resume_phase(phase_id=phase.pk, by=by),
    ],
)
def test_nobody_else_changes_a_programme(act):
    phase = stories.open_phase()
    for person in (UserFactory(), stories.reviewer(), stories.decider()):
        with written() as log, pytest.raises(NotAllowed) as refused:
            act(phase, person)
        assert (refused.value.code, log) == ("no_permission", [])


NOW = timezone.now()
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("opens", "closes", "code"),
    [
        (None, None, "not_open"),
        (NOW + DAY, None, "not_yet_open"),
        (NOW + DAY, NOW + 2 * DAY, "not_yet_open"),
        (NOW - DAY, None, ""),
        (NOW - DAY, NOW + DAY, ""),
        (NOW - 2 * DAY, NOW - DAY, "closed"),
    ],
)
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("halted", [True, False])
def test_when_a_phase_stands_open(opens, closes, code, published, halted):
    release = ModelReleaseFactory(published_at=NOW if published else None)
    by = UserFactory()
    phase = stories.open_phase(
        release=release,
        opens_at=opens,
        closes_at=closes,
        halted_at=NOW if halted else None,
        halted_by=by if halted else None,
    )
    if not published or opens is None:
        code = "not_open"
    elif halted:
        code = "phase_halted"
    assert policies.phase_is_open(phase).code == code
    assert list(open_phases()) == ([] if code else [phase])
    assert policies.can_apply_to_phase(by, phase).code == code


def test_a_suspended_person_applies_nowhere():
    user = UserFactory(suspended_at=NOW, suspended_by=UserFactory())
    assert policies.can_apply_to_phase(user, stories.open_phase()).code == "account_suspended"


@pytest.mark.parametrize(
    ("scopes", "tier"),
    [
        ([], "standard"),
        ([stories.STANDARD], "standard"),
        ([stories.STANDARD, stories.ELEVATED], "elevated"),
        ([stories.CRITICAL, stories.STANDARD], "critical"),
        ([stories.STANDARD, "model:unknown"], "critical"),
    ],
)
def test_the_riskiest_scope_sets_the_tier(scopes, tier):
    assert highest_tier(stories.open_phase().release, scopes) == tier
