"""Our own pages under /accounts/; signing in and its settings are allauth's."""

from django.urls import path

from accounts import views
from portal import converters  # noqa: F401 - registers <reference:…>

app_name = "accounts"
_ORG = "organizations/<reference:ref>/"

urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("sign-in-again/", views.sign_in_again, name="sign_in_again"),
    path("organizations/", views.organizations, name="organizations"),
    path(_ORG, views.organization, name="organization"),
    path(f"{_ORG}invite/", views.invite, name="invite"),
    path(f"{_ORG}members/<reference:user_ref>/role/", views.change_role, name="change_role"),
    path(f"{_ORG}members/<reference:user_ref>/remove/", views.remove_member, name="remove_member"),
    path("invitations/<reference:ref>/", views.invitation, name="invitation"),
    path("invitations/<reference:ref>/resend/", views.resend_invitation, name="resend_invitation"),
    path(
        "invitations/<reference:ref>/withdraw/",
        views.withdraw_invitation,
        name="withdraw_invitation",
    ),
]
