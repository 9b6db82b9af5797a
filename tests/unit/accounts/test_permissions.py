"""What somebody may: what is theirs, and what their roles give."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.backends import Backend
from accounts.models import User
from tests.factories.accounts import UserFactory, suspend

pytestmark = pytest.mark.django_db

OWN, OF_ROLE, OF_OTHERS = (
    "gateway.manage_gateways",
    "reviews.review_application",
    "credentials.revoke_credentials",
)


def role(name, permission):
    group = Group.objects.create(name=name)
    app, codename = permission.split(".")
    group.permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return group


@pytest.fixture
def person():
    """With a permission of their own and a role's, beside a role that is another's."""
    person = UserFactory(permissions=[OWN])
    person.groups.add(role("mine", OF_ROLE))
    UserFactory(permissions=[OF_OTHERS]).groups.add(role("not mine", OF_OTHERS))
    return person


def read_again(person):
    """Nothing remembered."""
    return User.objects.get(pk=person.pk)


def test_both_are_asked_for_at_once(person):
    with CaptureQueriesContext(connection) as asked:
        assert person.has_perm(OWN)
        assert person.has_perm(OF_ROLE)
        assert not person.has_perm(OF_OTHERS)
    assert len(asked) == 1


def test_a_module_counts_by_either(person):
    assert person.has_module_perms("gateway")
    assert person.has_module_perms("reviews")
    assert not person.has_module_perms("credentials")


@pytest.mark.parametrize("role_too", [True, False])
@pytest.mark.parametrize("own_too", [True, False])
def test_they_are_what_django_says(person, own_too, role_too):
    if not own_too:
        person.user_permissions.clear()
    if not role_too:
        person.groups.clear()
    expected = {name for name, kept in ((OWN, own_too), (OF_ROLE, role_too)) if kept}
    assert Backend().get_all_permissions(read_again(person)) == expected
    assert ModelBackend().get_all_permissions(read_again(person)) == expected


def test_what_is_taken_away_is_gone_for_whoever_is_read_from_then_on(person):
    assert person.has_perm(OWN)
    assert person.has_perm(OF_ROLE)
    person.user_permissions.clear()
    person.groups.clear()
    person = read_again(person)
    assert not person.has_perm(OWN)
    assert not person.has_perm(OF_ROLE)


def test_whoever_may_not_sign_in_has_none(person):
    person.is_active = False
    assert Backend().get_all_permissions(person) == set()
    assert not person.has_perm(OWN)
    assert Backend().get_all_permissions(AnonymousUser()) == set()


def test_nor_has_whoever_is_suspended(person):
    assert not suspend(person).has_perm(OWN)


def test_none_is_of_a_single_row(person):
    assert Backend().get_all_permissions(person, person) == set()
    assert not person.has_perm(OWN, person)


def test_a_superuser_has_all():
    everything = Backend().get_all_permissions(UserFactory(is_superuser=True))
    assert {OWN, OF_ROLE, OF_OTHERS} < everything
    assert len(everything) == Permission.objects.count()
