"""Grants and keys in force."""

from datetime import timedelta

import factory
from django.utils import timezone

from accounts.models import Membership
from portal.applications.enums import ApplicationStatus
from portal.credentials import secrets
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.credentials.models import Credential, Grant
from portal.programs.models import Capability
from tests.factories.applications import ApplicationFactory


def in_days(days):
    return lambda: timezone.now() + timedelta(days=days)


class GrantFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Grant
        skip_postgeneration_save = True

    application = factory.SubFactory(ApplicationFactory, status=ApplicationStatus.GRANTED)
    phase = factory.SelfAttribute("application.phase")
    holder = factory.SelfAttribute("application.applicant")
    organization = factory.SelfAttribute("application.organization")
    scopes = factory.LazyFunction(lambda: ["model:infer"])
    requests_per_minute = 60
    tokens_per_day = 1_000_000
    status = GrantStatus.ACTIVE
    starts_at = factory.LazyFunction(in_days(-1))
    ends_at = factory.LazyFunction(in_days(90))

    @factory.post_generation
    def capabilities(self, create, extracted, **kwargs):
        """Its release knows every scope; a key of any other counts as critical."""
        release = self.phase.release
        plain = {"release": release, "tier": "standard"}
        new = [Capability(scope=scope, name=scope, **plain) for scope in self.scopes]
        if create:
            Capability.objects.bulk_create(new, ignore_conflicts=True)

    @factory.post_generation
    def membership(self, create, extracted, **kwargs):
        """Whoever holds a grant for an organisation belongs to it."""
        if create and self.organization:
            place = Membership(user=self.holder, organization=self.organization)
            Membership.objects.bulk_create([place], ignore_conflicts=True)


class CredentialFactory(factory.django.DjangoModelFactory):
    """A slot waiting to be claimed."""

    class Meta:
        model = Credential

    grant = factory.SubFactory(GrantFactory)
    kid = factory.LazyFunction(secrets.new_kid)
    scopes = factory.SelfAttribute("grant.scopes")
    status = CredentialStatus.READY
    ready_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(in_days(7))


def make_live_key(**fields):
    """Return (credential, token): claimed and working, unless `fields` say otherwise.

    For instance make_live_key(grant__holder=user, scopes=["model:infer"]).
    """
    kid = fields.pop("kid", None) or secrets.new_kid()
    minted = secrets.mint(kid, fields.get("kind", "live"))
    grant = fields.pop("grant", None) or GrantFactory(
        **{name.removeprefix("grant__"): fields.pop(name) for name in _of_grant(fields)}
    )
    live = {
        "status": CredentialStatus.ACTIVE,
        "digest": minted.digest,
        "pepper_version": minted.pepper_version,
        "claimed_at": timezone.now(),
        "claimed_by": grant.holder,
        "expires_at": timezone.now() + timedelta(days=30),
    }
    return CredentialFactory(kid=kid, grant=grant, **{**live, **fields}), minted.token


def _of_grant(fields):
    return [name for name in fields if name.startswith("grant__")]
