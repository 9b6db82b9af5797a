from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts import services
from accounts.enums import StaffRole
from accounts.models import User, Verification
from accounts.roles import ROLE_PERMISSIONS
from accounts.selectors import current_verifications
from accounts.services.staff import sync_role_permissions
from portal.audit.services import System
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories.accounts import OrganizationFactory, PersonFactory, UserFactory
from tests.log import written

pytestmark = pytest.mark.django_db
SHELL = System("shell")


def test_a_registered_person_can_sign_in_at_once():
    hashed = make_password("a long and quiet sentence")
    with written() as lines:
        user = services.register_user(
            email=" Ada@Example.org ", name="Ada", hashed=hashed, by=SHELL
        )
    assert (user.email, user.check_password("a long and quiet sentence")) == (
        "ada@example.org",
        True,
    )
    address = EmailAddress.objects.get(user=user)
    assert (address.email, address.verified, address.primary) == ("ada@example.org", True, True)
    assert lines == [("user.signed_up", user.ref, user.ref, "system:shell")]


def test_an_address_has_one_account():
    PersonFactory(email="ada@example.org")
    with pytest.raises(Conflict):
        services.register_user(email="ADA@example.org", name="Ada", by=SHELL)


def test_the_profile_is_ones_own():
    ada, other = PersonFactory(), PersonFactory()
    with written() as lines:
        services.update_profile(user_id=ada.pk, name="Ada L.", time_zone="Asia/Tokyo", by=ada)
    ada.refresh_from_db()
    assert (ada.name, ada.time_zone) == ("Ada L.", "Asia/Tokyo")
    assert lines == [("user.profile_changed", ada.ref, ada.ref, ada.ref)]
    with pytest.raises(NotAllowed):
        services.update_profile(user_id=ada.pk, name="Eve", time_zone="UTC", by=other)


@pytest.mark.parametrize(
    ("name", "zone", "field"), [("", "UTC", "name"), ("Ada", "Mars/Olympus", "time_zone")]
)
def test_a_wrong_profile_names_the_field(name, zone, field):
    ada = PersonFactory()
    with pytest.raises(Invalid) as refused:
        services.update_profile(user_id=ada.pk, name=name, time_zone=zone, by=ada)
    assert list(refused.value.fields) == [field]


def test_suspension_takes_every_permission_and_tells_the_person():
    staff = UserFactory(is_staff=True, permissions=["accounts.suspend_user"])
    ada = PersonFactory(is_staff=True, is_superuser=True)
    staff.is_superuser = True
    with written() as lines:
        suspended = services.suspend_user(user_id=ada.pk, by=staff)
    assert (suspended.suspended_by, suspended.has_perm("accounts.view_user")) == (staff, False)
    assert lines == [("user.suspended", ada.ref, ada.ref, staff.ref)]
    reinstated = services.reinstate_user(user_id=ada.pk, by=staff)
    assert reinstated.has_perm("accounts.view_user")
    assert list(OutgoingMail.objects.order_by("pk").values_list("to", "template")) == [
        (ada.email, "accounts/user_suspended"),
        (ada.email, "accounts/user_reinstated"),
    ]


# --- Staff roles ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(StaffRole))
def test_migrate_gives_each_role_exactly_its_permissions(role):
    """Which also means that every permission named in the table exists."""
    held = Group.objects.get(name=role).permissions.values_list(
        "content_type__app_label", "codename"
    )
    assert {f"{app}.{codename}" for app, codename in held} == ROLE_PERMISSIONS[role]


def test_syncing_again_repairs_and_changes_nothing_else():
    group = Group.objects.get(name=StaffRole.AUDITOR)
    before = set(group.permissions.all())
    stray = Group.objects.get(name=StaffRole.INCIDENT_RESPONDER).permissions.get(
        codename="suspend_user"
    )
    group.permissions.add(stray)
    group.permissions.remove(group.permissions.get(codename="view_user"))
    sync_role_permissions(app_label="accounts", using="default")
    assert set(group.permissions.all()) == before


def test_the_same_hands_do_not_review_and_revoke():
    """What each role may change, beside looking."""
    acts = {
        role.value: {name for name in names if ".view_" not in name}
        for role, names in ROLE_PERMISSIONS.items()
    }
    assert acts["auditor"] == set()
    assert acts["reviewer"] == {"reviews.review_application", "accounts.add_verification"}
    assert "reviews.decide_application" not in acts["programme_manager"]
    assert {role for role, names in acts.items() if "credentials.revoke_credentials" in names} == {
        "incident_lead",
        "incident_responder",
    }
    assert {role for role, names in acts.items() if "credentials.break_glass" in names} == {
        "incident_lead"
    }
    assert not any("assign_staff_roles" in name for names in acts.values() for name in names)


def test_roles_are_set_exactly_and_open_the_admin():
    boss, ada = UserFactory(is_staff=True, is_superuser=True), PersonFactory()
    with written() as lines:
        services.set_staff_roles(user_id=ada.pk, roles=["reviewer", "auditor"], by=boss)
        services.set_staff_roles(user_id=ada.pk, roles=["auditor", "reviewer"], by=boss)
    ada = User.objects.get(pk=ada.pk)
    assert (ada.is_staff, ada.has_perm("reviews.review_application")) == (True, True)
    assert lines == [("staff.roles_changed", ada.ref, ada.ref, boss.ref)]
    services.set_staff_roles(user_id=ada.pk, roles=[], by=boss)
    ada = User.objects.get(pk=ada.pk)
    assert (ada.is_staff, ada.has_perm("reviews.review_application")) == (False, False)


def test_an_unknown_role_is_refused():
    with pytest.raises(Invalid):
        services.set_staff_roles(user_id=PersonFactory().pk, roles=["king"], by=SHELL)


def test_staff_cannot_make_staff():
    manager = services.make_staff(
        email="m@example.org", name="M", roles=["programme_manager"], by=SHELL
    )
    with pytest.raises(NotAllowed):
        services.set_staff_roles(user_id=PersonFactory().pk, roles=["decider"], by=manager)


def test_make_staff_takes_the_account_there_is():
    ada = PersonFactory(email="ada@example.org")
    made = services.make_staff(email="ADA@example.org", name="A", roles=["decider"], by=SHELL)
    assert (made.pk, made.name) == (ada.pk, ada.name)
    assert list(made.groups.values_list("name", flat=True)) == ["decider"]


# --- Proof ------------------------------------------------------------------------------------


def record(subject, **fields):
    given = {"kind": "identity", "source": "Register", "evidence": "Seen.", "valid_until": None}
    by = UserFactory(is_staff=True, permissions=["accounts.add_verification"])
    return services.record_verification(subject=subject, by=by, **{**given, **fields})


def test_proof_is_recorded_about_one_person_or_organization():
    ada, lab = PersonFactory(), OrganizationFactory()
    with written() as lines:
        first, second = record(ada), record(lab, kind="organisation")
    assert [(k, s, t) for k, s, t, _ in lines] == [
        ("verification.recorded", first.ref, ada.ref),
        ("verification.recorded", second.ref, lab.ref),
    ]
    assert (first.user, first.organization, second.organization) == (ada, None, lab)


def test_a_new_proof_supersedes_and_old_ones_stay():
    ada = PersonFactory()
    tomorrow = timezone.localdate() + timedelta(days=1)
    record(ada)
    newest = record(ada, valid_until=tomorrow)
    track = record(ada, kind="track_record")
    assert current_verifications(ada) == [newest, track]
    assert Verification.objects.count() == 3


def test_proof_that_has_run_out_is_not_current():
    ada = PersonFactory()
    staff = UserFactory()
    Verification.objects.create(
        user=ada,
        kind="identity",
        source="Register",
        evidence="Seen.",
        valid_until=timezone.localdate() - timedelta(days=1),
        verified_by=staff,
    )
    assert current_verifications(ada) == []


def test_proof_is_not_recorded_for_the_past():
    with pytest.raises(Invalid) as refused:
        record(PersonFactory(), valid_until=timezone.localdate())
    assert list(refused.value.fields) == ["valid_until"]
