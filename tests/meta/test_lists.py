"""A list costs the same number of statements whether it shows one row or thirty."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.utils import timezone

from accounts.models import Invitation, Organization, User, Verification
from portal.applications.models import Application
from portal.audit.models import Event
from portal.credentials.models import Credential, Freeze, Grant, Reissue, Revocation
from portal.gateway.models import Gateway
from portal.mail.models import OutgoingMail
from portal.programs.models import AgreementVersion, ModelRelease, RolloutPhase
from portal.reviews.models import ConflictOfInterest
from portal.webhooks.models import Delivery, Endpoint
from tests.factories.accounts import (
    InvitationFactory,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
)
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import make_live_key
from tests.factories.freezes import place
from tests.factories.gateway import make_gateway
from tests.factories.programs import (
    AgreementVersionFactory,
    ModelReleaseFactory,
    RolloutPhaseFactory,
)
from tests.factories.webhooks import DeliveryFactory, EndpointFactory
from tests.meta.surface import signed_in
from tests.queries import answered, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

MANY = 30
FREEZE = "credentials.freeze_access"


def _verification():
    return Verification.objects.create(
        organization=OrganizationFactory(),
        kind="organisation",
        source="s",
        verified_by=UserFactory(),
    )


def _conflict():
    return ConflictOfInterest.objects.create(
        application=ApplicationFactory(), person=UserFactory(), kind="employer", detail="d"
    )


def _case():
    return Revocation.objects.create(
        selector={"person": UserFactory().ref},
        reason="key_leaked",
        requested_by=UserFactory(),
    )


def _reissue():
    case = _case()
    return Reissue.objects.create(
        revocation=case, previewed_by=case.requested_by, expires_at=timezone.now()
    )


def _freeze():
    return place("person", UserFactory().ref, by=UserFactory(permissions=[FREEZE]))


def _gateway():
    release = ModelReleaseFactory()
    return make_gateway(release, name=release.name)


# How one more row comes about, each with relations of its own. None: the demo has enough.
ONE_MORE = {
    OutgoingMail: None,
    Event: None,
    User: None,
    Organization: OrganizationFactory,
    Verification: _verification,
    Invitation: InvitationFactory,
    ModelRelease: ModelReleaseFactory,
    RolloutPhase: RolloutPhaseFactory,
    AgreementVersion: AgreementVersionFactory,
    Grant: make_live_key,
    Credential: make_live_key,
    Revocation: _case,
    Reissue: _reissue,
    Freeze: _freeze,
    Application: None,
    ConflictOfInterest: _conflict,
    Gateway: _gateway,
    Endpoint: EndpointFactory,
    Delivery: DeliveryFactory,
}

ASKED = {Application: "?standing=all"}  # the demo's queue is short


def test_every_list_of_the_admin_is_looked_at():
    assert set(admin.site._registry) == set(ONE_MORE)


@pytest.mark.parametrize("model", ONE_MORE, ids=lambda model: model.__name__)
def test_lists_of_the_admin(model, monkeypatch):
    """The same rows, one a page and thirty a page."""
    for _ in range(MANY if ONE_MORE[model] else 0):
        ONE_MORE[model]()
    assert model._default_manager.count() >= MANY
    client = signed_in(User.objects.create_superuser("root@example.org", name="R"))
    path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{ASKED.get(model, '')}"
    model_admin = admin.site.get_model_admin(model)
    counted = {}
    for rows in (1, 1, MANY):  # what is kept between requests is kept after the first
        monkeypatch.setattr(model_admin, "list_per_page", rows)
        answer, counted[rows] = answered(client, path)
        assert len(answer.context["cl"].result_list) == rows
    assert counted[MANY] == counted[1]


def _holding(person):
    make_live_key(grant__holder=person)


def _applying(person):
    ApplicationFactory(applicant=person)


def _belonging(person):
    MembershipFactory(user=person)


def _offering(person):
    now = timezone.now()
    release = ModelReleaseFactory(published_at=now)
    RolloutPhaseFactory(release=release, opens_at=now - timedelta(days=1))


@pytest.mark.parametrize(
    ("path", "one_more"),
    [
        ("/access/", _holding),
        ("/access/check/", _holding),
        ("/applications/", _applying),
        ("/accounts/organizations/", _belonging),
        ("/", _offering),
        ("/apply/", _offering),
    ],
)
def test_lists_of_the_person(path, one_more):
    person = PersonFactory()
    client = signed_in(person)
    one_more(person)
    before = statements(client, path)
    for _ in range(MANY - 1):
        one_more(person)
    assert answered(client, path)[1] == before


def test_the_list_of_an_organisation_s_people():
    owner = MembershipFactory()
    client = signed_in(owner.user)
    path = f"/accounts/organizations/{owner.organization.ref}/"
    InvitationFactory(organization=owner.organization, invited_by=owner.user)
    before = statements(client, path)
    for _ in range(MANY - 1):
        MembershipFactory(organization=owner.organization, role="member")
        InvitationFactory(organization=owner.organization, invited_by=owner.user)
    assert answered(client, path)[1] == before


def test_the_lists_of_an_organisation_s_webhooks():
    owner = MembershipFactory()
    client = signed_in(owner.user)
    path = f"/accounts/organizations/{owner.organization.ref}/webhooks/"
    endpoint = EndpointFactory(organization=owner.organization, created_by=owner.user)
    DeliveryFactory(endpoint=endpoint)
    paths = (path, f"{path}{endpoint.ref}/")
    before = [statements(client, each) for each in paths]
    for _ in range(MANY - 1):
        EndpointFactory(organization=owner.organization, created_by=owner.user)
        DeliveryFactory(endpoint=endpoint)
    assert [answered(client, each)[1] for each in paths] == before
