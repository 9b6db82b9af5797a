"""A slow request never undoes what staff decided while it ran."""

import re

import pytest
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password

from accounts import services
from accounts.models import User
from portal.audit.services import System
from tests.factories.accounts import PASSWORD, PersonFactory, UserFactory, sign_in

pytestmark = pytest.mark.django_db
NEW = "another long and quiet sentence"


class HasherWithEvents(PBKDF2PasswordHasher):
    """Hashing takes a second on purpose; `meanwhile` is what others do in it."""

    iterations = 1000
    meanwhile = None

    def encode(self, password, salt, iterations=None):
        happens, HasherWithEvents.meanwhile = HasherWithEvents.meanwhile, None
        if happens:
            happens()
        return super().encode(password, salt, iterations)


@pytest.fixture
def meanwhile(settings):
    """meanwhile(call): it happens during the next hash."""
    settings.PASSWORD_HASHERS = [f"{__name__}.HasherWithEvents"]
    yield lambda call: setattr(HasherWithEvents, "meanwhile", staticmethod(call))
    HasherWithEvents.meanwhile = None


@pytest.fixture
def ada():
    return services.make_staff(
        email="ada@example.org",
        name="Ada",
        roles=["reviewer"],
        hashed=make_password(PASSWORD),
        by=System("shell"),
    )


def decide_against(person):
    """Staff suspend the person and take their roles away."""
    boss = UserFactory(is_staff=True, is_superuser=True)
    services.set_staff_roles(user_id=person.pk, roles=[], by=boss)
    services.suspend_user(user_id=person.pk, by=boss)


def standing(person):
    found = User.objects.get(pk=person.pk)
    return found.suspended_at is not None, found.is_staff


def test_changing_the_password_does_not_undo_a_suspension(client, meanwhile, ada):
    sign_in(client, ada)
    meanwhile(lambda: decide_against(ada))
    client.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW},
    )
    assert HasherWithEvents.meanwhile is None
    assert standing(ada) == (True, False)
    assert User.objects.get(pk=ada.pk).check_password(NEW)


def test_resetting_the_password_does_not_undo_a_suspension(client, meanwhile, mailoutbox, ada):
    client.post("/accounts/password/reset/", {"email": ada.email})
    link = re.search(r"http://\S+?(/accounts/password/reset/key/\S+)", mailoutbox[0].body)[1]
    page = client.get(link).url
    meanwhile(lambda: decide_against(ada))
    client.post(page, {"password1": NEW, "password2": NEW})
    assert HasherWithEvents.meanwhile is None
    assert standing(ada) == (True, False)
    assert User.objects.get(pk=ada.pk).check_password(NEW)


def test_connecting_an_institution_undoes_nothing(rf, ada):
    """Between reading the person and saving them lies the institution's answer."""
    read_before = User.objects.get(pk=ada.pk)
    decide_against(ada)
    changed = User.objects.get(pk=ada.pk)
    changed.set_password(NEW)
    changed.save(update_fields=["password"])
    account = SocialAccount(provider="orcid", uid="0000-0001")
    SocialLogin(user=read_before, account=account).save(rf.get("/"), connect=True)
    assert account.user == ada
    assert standing(ada) == (True, False)
    assert User.objects.get(pk=ada.pk).check_password(NEW)


def test_saving_writes_what_was_changed_here_and_nothing_else():
    person = PersonFactory()
    one, other = (User.objects.get(pk=person.pk) for _ in range(2))
    one.name, other.time_zone = "Ada", "Asia/Tokyo"
    one.save()
    other.save()
    found = User.objects.get(pk=person.pk)
    assert (found.name, found.time_zone) == ("Ada", "Asia/Tokyo")


@pytest.mark.parametrize("how", [{}, {"update_fields": ["name"]}])
def test_a_change_taken_back_is_written_too(how):
    person = PersonFactory(name="Ada")
    for name in ("Eve", "Ada"):
        person.name = name
        person.save(**(how if name == "Eve" else {}))
        assert User.objects.get(pk=person.pk).name == name
