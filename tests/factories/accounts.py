"""People and partners."""

import time
from datetime import timedelta
from functools import cache

import factory
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import Invitation, Membership, Organization, User

PASSWORD = "a long and quiet sentence"


def _hashed():
    """As the settings of this moment say: the demo's world has a hasher of its own."""
    return _hashed_by(settings.PASSWORD_HASHERS[0])


@cache
def _hashed_by(_hasher):
    """Once a process: hashing is slow on purpose."""
    return make_password(PASSWORD)


@cache
def _permission(_database, name):
    """Its number, which stays what `migrate` made it."""
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - apps are ready by now

    app, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename).pk


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.org")
    name = factory.Sequence(lambda n: f"Person {n}")

    @factory.post_generation
    def permissions(self, create, given, **kwargs):
        """UserFactory(permissions=["gateway.manage_gateways"]) is staff who may do just that."""
        if given:
            database = connection.settings_dict["NAME"]
            self.user_permissions.add(*[_permission(database, name) for name in given])


class PersonFactory(UserFactory):
    """Can sign in: PASSWORD, and an address that is verified."""

    password = factory.LazyFunction(_hashed)

    @factory.post_generation
    def address(self, create, given, **kwargs):
        EmailAddress.objects.create(user=self, email=self.email, primary=True, verified=True)


class StaffFactory(PersonFactory):
    is_staff = True


class OrganizationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Laboratory {n}")


class MembershipFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(PersonFactory)
    organization = factory.SubFactory(OrganizationFactory)
    role = MemberRole.OWNER


class InvitationFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Invitation

    organization = factory.SubFactory(OrganizationFactory)
    email = factory.Sequence(lambda n: f"guest{n}@example.org")
    invited_by = factory.LazyAttribute(
        lambda made: MembershipFactory(organization=made.organization).user
    )
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=14))


def sign_in(client, user):
    """Through the front door, so that the session knows how and when."""
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def make_fresh(client, user):
    """As if this client's user had just been asked for the password again."""
    session = client.session
    now = {"method": "password", "at": time.time(), "reauthenticated": True}
    session["account_authentication_methods"] = [now]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


def suspend(row):
    """A person or an organisation, by somebody."""
    type(row)._default_manager.filter(pk=row.pk).update(
        suspended_at=timezone.now(), suspended_by=UserFactory()
    )
    row.refresh_from_db()
    return row
