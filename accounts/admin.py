"""People and organisations, to look at. Whatever changes one is a button that calls a service."""

from typing import ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import admin_views, policies
from accounts.enums import StaffRole, VerificationKind
from accounts.models import Invitation, Membership, Organization, User, Verification
from portal.admin_buttons import (
    Button,
    PublicIds,
    ReadOnly,
    WithButtons,
    freeze_link,
    object_url,
)
from portal.admin_lists import Choice, Condition, column, unbroken
from portal.templatetags.elements import breaking

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


class SuspendedFilter(Condition):
    title, parameter_name = "suspension", "suspended"
    conditions: ClassVar = {
        "yes": ("Suspended", Q(suspended_at__isnull=False)),
        "no": ("Not suspended", Q(suspended_at__isnull=True)),
    }


class StaffRoleFilter(Condition):
    title, parameter_name = "staff role", "role"
    conditions: ClassVar = {
        "any": ("Any staff", Q(is_staff=True)),
        **{role.value: (role.label, Q(groups__name=role.value)) for role in StaffRole},
        "none": ("Not staff", Q(is_staff=False)),
    }


class KindFilter(Choice):
    title, parameter_name, lookup = "kind", "kind", "kind"
    choices_of = VerificationKind


class InvitationFilter(Condition):
    title, parameter_name = "standing", "standing"
    conditions: ClassVar = {
        "open": ("Open", Q(accepted_at=None, withdrawn_at=None)),
        "accepted": ("Accepted", Q(accepted_at__isnull=False)),
        "withdrawn": ("Withdrawn", Q(withdrawn_at__isnull=False)),
    }


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
    list_display = ("email_cell", "name", "reference", "staff_roles", "suspended", "joined")
    list_filter = (StaffRoleFilter, SuspendedFilter)
    search_fields = ("email", "name", "=ref")
    search_help_text = "Part of an address or a name, or a whole reference"
    email_cell = column("email", "e-mail", breaking)
    reference = column("ref", "reference", unbroken)
    suspended = column("suspended_at", "suspended")
    joined = column("date_joined", "joined")
    fields = (
        "reference",
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

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="staff roles")
    def staff_roles(self, user: User) -> str:
        names = sorted(group.name for group in user.groups.all())
        return ", ".join(StaffRole(name).label for name in names) or "None"


class OrganizationVerificationInline(VerificationInline):
    fk_name = "organization"


@admin.register(Organization)
class OrganizationAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = ("name", "reference", "country", "suspended", "registered")
    list_filter = (SuspendedFilter,)
    search_fields = ("name", "=ref")
    search_help_text = "Part of a name, or a whole reference"
    reference = column("ref", "reference", unbroken)
    suspended = column("suspended_at", "suspended")
    registered = column("created_at", "registered")
    fields = (
        "reference",
        "name",
        "website",
        "country",
        "created_at",
        "suspended_at",
        "suspended_by",
    )
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


def _linked(thing: User | Organization | None) -> SafeString | None:
    return format_html('<a href="{}">{}</a>', object_url(thing), thing) if thing else None


@admin.register(Verification)
class VerificationAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
    list_display = ("reference", "kind", "proven_of", "source", "valid_until", "recorded")
    list_filter = (KindFilter,)
    list_select_related = ("user", "organization")
    search_fields = ("=ref", "user__email", "organization__name", "source")
    search_help_text = "A whole reference, or part of an address, an organisation or a source"
    fields = (
        "reference",
        "kind",
        "proven_of",
        "source",
        "evidence",
        "valid_until",
        "verified_at",
        "verified_by",
    )
    readonly_fields = fields
    reference = column("ref", "reference", unbroken)
    recorded = column("verified_at", "recorded")

    @admin.display(description="of")
    def proven_of(self, verification: Verification) -> SafeString | None:
        return _linked(verification.user or verification.organization)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
    list_display = ("reference", "partner", "email_cell", "role", "invited", "accepted")
    list_filter = (InvitationFilter,)
    list_select_related = ("organization",)
    search_fields = ("=ref", "email", "organization__name")
    search_help_text = "A whole reference, or part of an address or an organisation"
    fields = (
        "reference",
        "partner",
        "email",
        "role",
        "invited_at",
        "invited_by",
        "expires_at",
        "accepted_at",
        "accepted_by",
        "withdrawn_at",
        "withdrawn_by",
    )
    readonly_fields = fields
    reference = column("ref", "reference", unbroken)
    partner = column("organization", "organisation", _linked)
    email_cell = column("email", "e-mail", breaking)
    invited = column("invited_at", "invited")
    accepted = column("accepted_at", "accepted")
