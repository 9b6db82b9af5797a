"""The applicant's view of the file: an allow-list, and nobody's name."""

import pytest

from portal.applications.timeline import SHOWN, entries_for
from portal.audit.presenters import PRESENTERS
from portal.credentials.services import issue_credential
from portal.reviews.services import declare_conflict
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_every_kind_shown_has_words():
    assert set(SHOWN) <= set(PRESENTERS)


def test_what_staff_think_is_not_shown():
    areas = {kind.partition(".")[0] for kind in SHOWN}
    assert areas == {"application", "grant", "credential"}


def test_reviews_and_conflicts_happen_and_are_not_told():
    application = stories.reviewed(times=2)
    declare_conflict(
        application_id=application.pk, kind="real", detail="A friend.", by=stories.reviewer()
    )
    told = [(entry.title, entry.by) for entry in entries_for(application, application.applicant)]
    assert told == [
        ("Taken into review", "Our team"),
        ("Submitted", "You"),
        ("Draft started", "You"),
    ]


def test_colleagues_and_the_system_are_told_apart():
    application = stories.approve(stories.reviewed())
    issue_credential(grant_id=application.grant.pk, by=stories.WORKER)
    slot = application.grant.credentials.get()
    partner = OrganizationFactory()
    colleague = UserFactory()
    for person in (application.applicant, colleague):
        MembershipFactory(organization=partner, user=person)
    application.organization = partner
    kinds = {entry.title: entry.by for entry in entries_for(application, colleague)}
    assert kinds["Key ready to claim"] == "System"
    assert kinds["Submitted"] == "Your organisation"
    assert kinds["Approved"] == "Our team"
    keys = [entry.text for entry in entries_for(application, colleague) if entry.text]
    assert keys == [f"Key {slot.kid}", f"Key {slot.kid}"]
