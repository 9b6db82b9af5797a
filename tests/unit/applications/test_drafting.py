"""Starting an application, and saving it as often as one likes."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from portal.applications.models import Application
from portal.applications.services import save_answers, start_application, withdraw_application
from portal.errors import Conflict, Invalid, NotAllowed
from portal.reviews.services import decline_application
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.programs import CapabilityFactory
from tests.log import written

pytestmark = pytest.mark.django_db


def save(application, *, by=None, version=None, **parts):
    return save_answers(
        application_id=application.pk,
        version=application.version if version is None else version,
        by=by or application.applicant,
        **parts,
    )


def start():
    phase, user = stories.open_phase(), UserFactory()
    return start_application(phase_id=phase.pk, by=user)


def test_starting_opens_a_draft_with_sixty_days_to_finish_and_one_event():
    phase, user = stories.open_phase(), UserFactory()
    with written() as log:
        application = start_application(phase_id=phase.pk, by=user)
    assert log == [("application.started", application.ref, application.ref, user.ref)]
    assert (application.status, application.version, application.answers) == ("draft", 0, {})
    assert (application.expires_at - timezone.now()).days == 59


def test_starting_again_returns_what_is_open_and_says_nothing():
    application = start()
    with written() as log:
        second = start_application(phase_id=application.phase_id, by=application.applicant)
    assert (second, log) == (application, [])


def test_starting_again_after_withdrawing_is_a_new_application():
    first = start()
    withdraw_application(application_id=first.pk, by=first.applicant)
    second = start_application(phase_id=first.phase_id, by=first.applicant)
    assert second.ref != first.ref
    assert Application.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"opens_at": None}, "not_open"),
        ({"opens_at": timezone.now() + timedelta(days=1)}, "not_yet_open"),
        ({"closes_at": timezone.now() - timedelta(hours=1)}, "closed"),
        ({"halted_at": timezone.now()}, "phase_halted"),
    ],
)
def test_nothing_is_started_in_a_phase_that_is_not_open(fields, code):
    if "halted_at" in fields:
        fields = fields | {"halted_by": UserFactory()}
    phase = stories.open_phase(**fields)
    with written() as log, pytest.raises(NotAllowed) as refused:
        start_application(phase_id=phase.pk, by=UserFactory())
    assert (refused.value.code, log, Application.objects.count()) == (code, [], 0)


@pytest.mark.parametrize(
    ("wait", "code"), [(timedelta(days=30), "too_early"), (timedelta(days=-1), None), (None, None)]
)
def test_who_was_told_to_wait_applies_again_only_then(wait, code):
    application = stories.in_review()
    decline_application(
        application_id=application.pk,
        revision=stories.read(application.pk),
        reason_code="evidence_insufficient",
        text="Send more.",
        may_reapply_from=date.today() + wait if wait else None,  # noqa: DTZ011 - server is in UTC
        by=stories.decider(),
    )
    if code is None:
        again = start_application(phase_id=application.phase_id, by=application.applicant)
        assert again.status == "draft"
        return
    with pytest.raises(NotAllowed) as refused:
        start_application(phase_id=application.phase_id, by=application.applicant)
    assert refused.value.code == code


def test_saving_merges_counts_and_leaves_the_rest_alone():
    application = save(start(), answers={"purpose": "One"}, scopes=[stories.STANDARD])
    organization = OrganizationFactory()
    application.applicant.memberships.create(organization=organization, role="member")
    with written() as log:
        saved = save(application, organization_ref=organization.ref)
    assert log == []
    assert (saved.version, saved.answers, saved.scopes, saved.organization) == (
        2,
        {"purpose": "One"},
        [stories.STANDARD],
        organization,
    )
    assert save(saved, organization_ref="").organization is None


def test_answers_to_questions_of_no_phase_are_dropped():
    saved = save(start(), answers={"purpose": "One", "admin": "yes"})
    assert saved.answers == {"purpose": "One"}


def test_a_stale_tab_is_told_and_changes_nothing():
    application = start()
    save(application, version=0, answers={"purpose": "Mine"})
    with pytest.raises(Conflict) as refused:
        save(application, version=0, answers={"purpose": "Older"}, scopes=[stories.CRITICAL])
    application.refresh_from_db()
    assert refused.value.code == "stale"
    assert (application.version, application.answers, application.scopes) == (
        1,
        {"purpose": "Mine"},
        [],
    )


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", ["a\x00"], {"a": "\x00"}])
def test_characters_the_database_cannot_keep_are_refused_in_words(value):
    application = start()
    with pytest.raises(Invalid) as refused:
        save(application, answers={"purpose": value})
    assert refused.value.code == "characters"


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"scopes": ["model:everything"]}, "scope_unknown"),
        ({"organization_ref": "ORG-NOTMINE"}, "organization_unknown"),
        ({"answers": {"purpose": "x" * 200_001}}, "too_long"),
    ],
)
def test_what_cannot_be_chosen_is_refused_and_nothing_is_kept(parts, code):
    application = start()
    with pytest.raises(Invalid) as refused:
        save(application, **{"answers": {"purpose": "kept?"}, **parts})
    assert refused.value.code == code
    assert stories.again(application).answers == {}


def test_somebody_elses_organisation_cannot_be_named():
    application, theirs = start(), OrganizationFactory()
    with pytest.raises(Invalid) as refused:
        save(application, organization_ref=theirs.ref)
    assert refused.value.code == "organization_unknown"


def test_a_scope_of_the_release_outside_the_phases_ceiling_is_refused():
    application = start()
    CapabilityFactory(release=application.phase.release, scope="model:train", tier="standard")
    with pytest.raises(Invalid) as refused:
        save(application, scopes=["model:train"])
    assert refused.value.code == "scope_unknown"


def test_nobody_else_saves_and_nobody_after_submission():
    application = start()
    with pytest.raises(NotAllowed) as refused:
        save(application, by=UserFactory(), answers={"purpose": "Theirs"})
    assert refused.value.code == "not_yours"
    sent = stories.submitted()
    with pytest.raises(NotAllowed) as refused:
        save(sent, answers={"purpose": "Later"})
    assert refused.value.code == "not_editable"
    assert stories.again(sent).answers == {"purpose": "Triage of alerts."}
