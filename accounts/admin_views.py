"""The staff's buttons on people and organisations."""

from django.http import HttpResponse

from accounts import services
from accounts.forms import StaffRolesForm, VerificationForm
from accounts.models import Organization, User
from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm


def suspend_user(request: SignedInRequest, user: User) -> HttpResponse:
    return confirm(
        request,
        user,
        title=f"Suspend {user}?",
        template="admin/accounts/suspend_user.html",
        act=lambda: services.suspend_user(user_id=user.pk, by=request.user),
        done=f"{user} is suspended.",
    )


def reinstate_user(request: SignedInRequest, user: User) -> HttpResponse:
    return confirm(
        request,
        user,
        title=f"Reinstate {user}?",
        template="admin/accounts/reinstate_user.html",
        act=lambda: services.reinstate_user(user_id=user.pk, by=request.user),
        done=f"{user} is reinstated.",
    )


def suspend_organization(request: SignedInRequest, organization: Organization) -> HttpResponse:
    return confirm(
        request,
        organization,
        title=f"Suspend {organization}?",
        template="admin/accounts/suspend_organization.html",
        act=lambda: services.suspend_organization(organization_id=organization.pk, by=request.user),
        done=f"{organization} is suspended.",
    )


def reinstate_organization(request: SignedInRequest, organization: Organization) -> HttpResponse:
    return confirm(
        request,
        organization,
        title=f"Reinstate {organization}?",
        template="admin/accounts/reinstate_organization.html",
        act=lambda: services.reinstate_organization(
            organization_id=organization.pk, by=request.user
        ),
        done=f"{organization} is reinstated.",
    )


def set_staff_roles(request: SignedInRequest, user: User) -> HttpResponse:
    held = list(user.groups.values_list("name", flat=True))
    form = StaffRolesForm(posted(request), initial={"roles": held})
    return confirm(
        request,
        user,
        title=f"Staff roles of {user}",
        template="admin/accounts/set_staff_roles.html",
        form=form,
        act=lambda: services.set_staff_roles(
            user_id=user.pk, roles=form.cleaned_data["roles"], by=request.user
        ),
        done=f"The roles of {user} are set.",
    )


def record_verification(request: SignedInRequest, subject: User | Organization) -> HttpResponse:
    form = VerificationForm(posted(request))
    return confirm(
        request,
        subject,
        title=f"Record proof about {subject}",
        template="admin/accounts/record_verification.html",
        form=form,
        act=lambda: services.record_verification(
            subject=subject, by=request.user, **form.cleaned_data
        ),
        done="The proof is recorded.",
    )
