"""Who enters the admin, and its buttons on people and organisations."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib import admin

from accounts.models import Organization, User, Verification
from tests.edges.test_accounts_sign_in import current_code, with_totp, words
from tests.factories.accounts import (
    PASSWORD,
    InvitationFactory,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    StaffFactory,
    UserFactory,
    sign_in,
)

pytestmark = pytest.mark.django_db
DESK = "/admin/"
PEOPLE, PARTNERS = "/admin/accounts/user/", "/admin/accounts/organization/"


# --- The entrance -----------------------------------------------------------------------------


def test_strangers_sign_in_through_the_one_entrance(client):
    answer = client.get(DESK, follow=True)
    assert answer.redirect_chain == [
        ("/admin/login/?next=/admin/", 302),
        ("/accounts/login/?next=%2Fadmin%2F", 302),
    ]


def test_whoever_is_not_staff_is_told_so_without_a_circle(client):
    client.force_login(PersonFactory())
    answer = client.get(DESK, follow=True)
    assert (answer.status_code, len(answer.redirect_chain)) == (403, 1)


def test_suspended_staff_stay_outside(client):
    staff = StaffFactory(is_superuser=True)
    User.objects.filter(pk=staff.pk).update(suspended_at="2026-01-01T00:00Z", suspended_by=staff)
    client.force_login(staff)
    assert client.get(DESK, follow=True).status_code == 403


def test_staff_enter_with_a_password_where_settings_allow_it(client):
    sign_in(client, StaffFactory())
    assert client.get(DESK).status_code == 200
    assert client.get("/admin/login/?next=/admin/accounts/").url == "/admin/accounts/"


@pytest.fixture
def walled(settings):
    settings.STAFF_MFA_REQUIRED = True


@pytest.mark.usefixtures("walled")
def test_staff_without_second_factor_are_shown_where_to_set_one_up(client):
    sign_in(client, StaffFactory())
    answer = client.get(DESK, follow=True)
    assert (answer.status_code, len(answer.redirect_chain)) == (403, 1)
    assert 'href="/accounts/2fa/"' in answer.content.decode()
    assert client.get("/accounts/2fa/").status_code == 200


@pytest.mark.usefixtures("walled")
def test_recovery_codes_alone_are_no_second_factor(client):
    staff = StaffFactory()
    RecoveryCodes.activate(staff)
    sign_in(client, staff)
    assert client.get(DESK, follow=True).status_code == 403


@pytest.mark.usefixtures("walled")
def test_staff_who_signed_in_with_the_factor_enter(client):
    staff = StaffFactory()
    secret = with_totp(staff)
    asked = client.post(
        f"/accounts/login/?next={DESK}", {"login": staff.email, "password": PASSWORD}
    )
    assert client.post(asked.url, {"code": current_code(secret)}).url == DESK
    assert client.get(DESK).status_code == 200


@pytest.mark.usefixtures("walled")
def test_a_session_that_has_not_used_the_factor_is_asked_for_it(client):
    """The factor was set up after signing in: the session is older than it."""
    staff = StaffFactory()
    sign_in(client, staff)
    secret = with_totp(staff)
    asked = client.get(DESK, follow=True)
    assert asked.redirect_chain[-1][0] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2F"
    assert client.post(asked.redirect_chain[-1][0], {"code": "000000"}).status_code == 200
    assert client.get(DESK).status_code == 302
    assert client.post(asked.redirect_chain[-1][0], {"code": current_code(secret)}).url == DESK
    assert client.get(DESK).status_code == 200


@pytest.mark.usefixtures("walled")
def test_another_persons_factor_does_not_open_it(client):
    first, second = StaffFactory(), StaffFactory()
    secret = with_totp(first)
    asked = client.post("/accounts/login/", {"login": first.email, "password": PASSWORD})
    client.post(asked.url, {"code": current_code(secret)})
    client.post("/accounts/logout/")
    with_totp(second)
    client.force_login(second)
    assert client.get(DESK).status_code == 302


# --- Lists and pages --------------------------------------------------------------------------


def test_what_staff_should_not_edit_is_not_there():
    labels = {model._meta.label for model in admin.site._registry}
    hidden = {"auth.Group", "account.EmailAddress", "mfa.Authenticator", "usersessions.UserSession"}
    assert labels & hidden == set()
    assert "accounts.User" in labels
    assert Authenticator._meta.label in hidden


@pytest.fixture
def auditor(client):
    names = ["user", "organization", "membership", "verification", "invitation"]
    client.force_login(
        UserFactory(is_staff=True, permissions=[f"accounts.view_{name}" for name in names])
    )
    return client


def test_people_are_found_and_read_but_not_edited(auditor):
    place = MembershipFactory(user__name="Ada Lovelace")
    listed = auditor.get(PEOPLE, {"q": "lovelace"}).content.decode()
    assert f'href="{PEOPLE}{place.user.ref}/change/?' in listed
    page = auditor.get(f"{PEOPLE}{place.user.ref}/change/").content.decode()
    shown = [place.user.email, place.organization.name]
    hidden = [place.user.password, 'name="is_superuser"', 'name="_save"', "Suspend…"]
    assert [text in page for text in shown + hidden] == [True] * 2 + [False] * 4
    assert auditor.post(f"{PEOPLE}{place.user.ref}/change/", {"name": "Eve"}).status_code == 403
    assert auditor.get(f"{PEOPLE}add/").status_code == 403


def test_a_reference_of_nobody_leads_back_with_a_word(auditor):
    answer = auditor.get(f"{PEOPLE}USR-NONENONE/change/", follow=True)
    assert "Perhaps it was deleted?" in words(answer)


def test_lists_open(auditor):
    invitation = InvitationFactory()
    for name in ("organization", "verification", "invitation"):
        assert auditor.get(f"/admin/accounts/{name}/").status_code == 200
    assert invitation.ref in words(auditor.get("/admin/accounts/invitation/"))
    for value, found in (("yes", False), ("no", True), ("", True)):
        page = words(auditor.get(PARTNERS, {"suspended": value}))
        assert (invitation.organization.ref in page) == found


def test_lists_ask_the_same_number_of_questions_for_one_row_and_thirty(
    auditor, django_assert_max_num_queries
):
    MembershipFactory()
    auditor.get(PEOPLE)  # the session is noted once
    for page in (PEOPLE, PARTNERS):
        with django_assert_max_num_queries(30) as few:
            auditor.get(page)
        MembershipFactory.create_batch(29)
        with django_assert_max_num_queries(30) as many:
            auditor.get(page)
        assert len(many) == len(few)


# --- Buttons ----------------------------------------------------------------------------------


def staff_with(client, *permissions):
    names = [f"accounts.{name}" for name in ("view_user", "view_organization", *permissions)]
    client.force_login(UserFactory(is_staff=True, permissions=names))
    return client


SUSPENDABLE = [
    ("user", PersonFactory, User, "suspend_user"),
    ("organization", OrganizationFactory, Organization, "suspend_organization"),
]


@pytest.mark.parametrize(("kind", "factory", "model", "permission"), SUSPENDABLE)
def test_suspending_and_reinstating_behind_a_question(client, kind, factory, model, permission):
    row = factory()
    page = f"/admin/accounts/{kind}/{row.ref}/"
    staff_with(client, permission)
    before = words(client.get(f"{page}change/"))
    assert "This account is not suspended." in before or "organisation is not suspended" in before
    assert f"Suspend {row}?" in words(client.get(f"{page}suspend/"))
    assert client.post(f"{page}suspend/").url == f"{page}change/"
    row.refresh_from_db()
    assert row.suspended_at is not None

    again = client.get(f"{page}suspend/", follow=True)
    assert "suspended already" in words(again)
    assert "suspended already" in words(client.post(f"{page}suspend/", follow=True))
    assert f"Reinstate {row}?" in words(client.get(f"{page}reinstate/"))
    assert client.post(f"{page}reinstate/").url == f"{page}change/"
    row.refresh_from_db()
    assert row.suspended_at is None


def test_a_proof_and_an_invitation_lead_to_whose_they_are(auditor):
    person, invitation = PersonFactory(), InvitationFactory()
    proof = Verification.objects.create(user=person, kind="identity", verified_by=person)
    for page, owner in (
        (f"/admin/accounts/verification/{proof.ref}/change/", f"{PEOPLE}{person.ref}/change/"),
        (
            f"/admin/accounts/invitation/{invitation.ref}/change/",
            f"{PARTNERS}{invitation.organization.ref}/change/",
        ),
    ):
        assert f'href="{owner}"' in auditor.get(page).text


@pytest.mark.parametrize(("kind", "factory", "model", "permission"), SUSPENDABLE)
@pytest.mark.parametrize("verb", ["suspend", "reinstate", "record_verification"])
def test_buttons_are_closed_without_the_permission(client, kind, factory, model, permission, verb):
    row = factory()
    page = f"/admin/accounts/{kind}/{row.ref}/{verb}/"
    staff_with(client)
    assert [client.get(page).status_code, client.post(page).status_code] == [403, 403]
    client.logout()
    assert [client.get(page).status_code, client.post(page).status_code] == [302, 302]
    row.refresh_from_db()
    assert row.suspended_at is None


def test_a_button_on_nothing_is_404(client):
    staff_with(client, "suspend_user")
    assert client.get(f"{PEOPLE}USR-NONENONE/suspend/").status_code == 404


def test_roles_are_set_by_whoever_may(client):
    ada = PersonFactory()
    page = f"{PEOPLE}{ada.ref}/set_staff_roles/"
    staff_with(client)
    assert client.post(page, {"roles": ["decider"]}).status_code == 403
    staff_with(client, "assign_staff_roles")
    assert client.get(page).status_code == 200
    assert client.post(page, {"roles": ["reviewer", "auditor"]}).status_code == 302
    assert sorted(ada.groups.values_list("name", flat=True)) == ["auditor", "reviewer"]
    assert "Auditor, Reviewer" in words(client.get(f"{PEOPLE}{ada.ref}/change/"))
    assert client.post(page, {}).status_code == 302
    assert not ada.groups.exists()


def test_proof_is_recorded_and_a_wrong_day_is_told_beside_the_field(client):
    ada = PersonFactory()
    page = f"{PEOPLE}{ada.ref}/record_verification/"
    staff_with(client, "add_verification", "view_verification")
    given = {"kind": "identity", "source": "Register", "evidence": "Seen."}
    wrong = client.post(page, {**given, "valid_until": "2020-01-01"})
    assert (wrong.status_code, "Choose a day to come" in words(wrong)) == (400, True)
    assert "Seen." in words(wrong)
    assert client.post(page, {**given, "valid_until": ""}).status_code == 302
    proof = Verification.objects.get()
    assert (proof.user, proof.source) == (ada, "Register")
    assert proof.ref in words(client.get(f"{PEOPLE}{ada.ref}/change/"))


@pytest.mark.parametrize("page", ["/admin/password_change/", "/admin/password_change/done/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_passwords_are_changed_where_limits_events_and_mails_are(client, page, method):
    staff = StaffFactory()
    sign_in(client, staff)
    new = "another long and quiet sentence"
    given = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert getattr(client, method)(page, given).url == "/accounts/password/change/"
    staff.refresh_from_db()
    assert staff.check_password(PASSWORD)
