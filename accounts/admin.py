"""People and organisations, to look at. Whatever changes one is a button that calls a service."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import admin_views, policies
from accounts.enums import StaffRole
from accounts.models import Invitation, Membership, Organization, User, Verification
from portal.admin_buttons import Button, PublicIds, ReadOnly, WithButtons, freeze_link

# Groups follow accounts.roles; the sign-in library's tables hold what no staff should edit or see.
for _model in (
    Group,
    EmailAddress,
    Authenticator,
    SocialAccount,
    SocialApp,
    SocialToken,
    UserSession,
):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


class SuspendedFilter(admin.SimpleListFilter):
    title = "suspension"
    parameter_name = "suspended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Suspended"), ("no", "Not suspended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(suspended_at__isnull=self.value() == "no")


class MembershipInline(ReadOnly, admin.StackedInline):
    model = Membership
    readonly_fields = ("user", "organization", "role", "joined_at")
    fields = (readonly_fields,)
    extra = 0


class VerificationInline(ReadOnly, admin.StackedInline):
    model = Verification
    fk_name: str | None = None
    fields = (
        ("ref", "kind", "valid_until"),
        ("source", "evidence"),
        ("verified_at", "verified_by"),
    )
    readonly_fields = tuple(name for line in fields for name in line)
    extra = 0
    verbose_name_plural = "Proof"


class UserVerificationInline(VerificationInline):
    fk_name = "user"


_RECORD_PROOF = Button(
    "record_verification",
    "Record proof…",
    admin_views.record_verification,
    permission="accounts.add_verification",
    policy=policies.can_record_verification,
)


@admin.register(User)
class UserAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = ("email", "name", "ref", "is_staff", "suspended_at", "date_joined")
    list_filter = ("is_staff", SuspendedFilter, "groups")
    search_fields = ("email", "name", "=ref")
    fields = (
        "ref",
        "email",
        "name",
        "time_zone",
        "date_joined",
        "last_login",
        "is_staff",
        "staff_roles",
        "is_active",
        "suspended_at",
        "suspended_by",
    )
    readonly_fields = fields
    inlines = (MembershipInline, UserVerificationInline)
    links = (freeze_link("person"),)
    buttons = (
        _RECORD_PROOF,
        Button(
            "set_staff_roles",
            "Staff roles…",
            admin_views.set_staff_roles,
            permission="accounts.assign_staff_roles",
            policy=policies.can_assign_staff_roles,
        ),
        Button(
            "suspend",
            "Suspend…",
            admin_views.suspend_user,
            permission="accounts.suspend_user",
            policy=policies.can_suspend_user,
            danger=True,
        ),
        Button(
            "reinstate",
            "Reinstate…",
            admin_views.reinstate_user,
            permission="accounts.suspend_user",
            policy=policies.can_reinstate_user,
        ),
    )

    @admin.display(description="staff roles")
    def staff_roles(self, user: User) -> str:
        names = sorted(user.groups.values_list("name", flat=True))
        return ", ".join(StaffRole(name).label for name in names) or "None"


class OrganizationVerificationInline(VerificationInline):
    fk_name = "organization"


@admin.register(Organization)
class OrganizationAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = ("name", "ref", "country", "suspended_at", "created_at")
    list_filter = (SuspendedFilter,)
    search_fields = ("name", "=ref")
    fields = ("ref", "name", "website", "country", "created_at", "suspended_at", "suspended_by")
    readonly_fields = fields
    inlines = (MembershipInline, OrganizationVerificationInline)
    links = (freeze_link("organization"),)
    buttons = (
        _RECORD_PROOF,
        Button(
            "suspend",
            "Suspend…",
            admin_views.suspend_organization,
            permission="accounts.suspend_organization",
            policy=policies.can_suspend_organization,
            danger=True,
        ),
        Button(
            "reinstate",
            "Reinstate…",
            admin_views.reinstate_organization,
            permission="accounts.suspend_organization",
            policy=policies.can_reinstate_organization,
        ),
    )


@admin.register(Verification)
class VerificationAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
    list_display = ("ref", "kind", "user", "organization", "source", "valid_until", "verified_at")
    list_filter = ("kind",)
    list_select_related = ("user", "organization")
    search_fields = ("=ref", "user__email", "organization__name", "source")


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
    list_display = ("ref", "organization", "email", "role", "invited_at", "accepted_at")
    list_select_related = ("organization",)
    search_fields = ("=ref", "email", "organization__name")
