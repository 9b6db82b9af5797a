"""Pages about oneself, one's organisations and invitations."""

from allauth.account.adapter import get_adapter
from allauth.account.utils import get_next_redirect_url
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts import policies, selectors, services
from accounts.enums import MemberRole
from accounts.forms import InvitationForm, OrganizationForm, ProfileForm, RoleForm
from accounts.models import Invitation, Membership, Organization
from accounts.purposes import purpose_of
from accounts.requests import SignedInRequest, posted
from portal.errors import DomainError
from portal.form_errors import tell
from portal.private import form_of
from portal.throttle import throttle

_get_or_post = require_http_methods(["GET", "HEAD", "POST"])


@throttle("profile", "30/h")
@login_required
@_get_or_post
def profile(request: SignedInRequest) -> HttpResponse:
    user = request.user
    initial = {"name": user.name, "time_zone": user.time_zone}
    form = ProfileForm(posted(request), initial=initial)
    status = 200
    if form.is_valid():
        try:
            services.update_profile(user_id=user.pk, by=user, **form.cleaned_data)
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form}, status=status)


@_get_or_post
def sign_in_again(request: SignedInRequest) -> HttpResponse:
    """For whoever has neither password nor second factor: the only proof is a new sign-in."""
    following = get_next_redirect_url(request) or "/"
    if request.method == "POST":
        get_adapter(request).logout(request)
        return redirect(f"{reverse('account_login')}?{urlencode({'next': following})}")
    page = {"next": following, "purpose": purpose_of(following)}
    return render(request, "accounts/sign_in_again.html", page)


@throttle("organizations", "20/h")
@login_required
@_get_or_post
def organizations(request: SignedInRequest) -> HttpResponse:
    form = OrganizationForm(posted(request))
    status = 200
    if form.is_valid():
        try:
            made = services.create_organization(by=request.user, **form.cleaned_data)
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, f"{made} is registered, and you are its owner.")
            return redirect("accounts:organization", ref=made.ref)
    page = {
        "form": form,
        "memberships": selectors.organizations_of(request.user),
        "invitations": selectors.invitations_for(request.user),
        "can_create": policies.can_create_organization(request.user),
    }
    return render(request, "accounts/organizations.html", page, status=status)


@login_required
@_get_or_post
def organization(request: SignedInRequest, ref: str) -> HttpResponse:
    return _organization_page(request, _visible(request, ref), InvitationForm())


@throttle("invite", "20/h")
@login_required
@form_of("accounts:organization", "ref")
def invite(request: SignedInRequest, ref: str) -> HttpResponse:
    organization = _visible(request, ref)
    form = InvitationForm(request.POST)
    status = 400
    if form.is_valid():
        try:
            sent = services.invite_member(
                organization_id=organization.pk, by=request.user, **form.cleaned_data
            )
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, f"{sent.email} is invited.")
            return redirect("accounts:organization", ref=ref)
    return _organization_page(request, organization, form, status=status)


@throttle("members", "60/h")
@login_required
@form_of("accounts:organization", "ref")
def change_role(request: SignedInRequest, ref: str, user_ref: str) -> HttpResponse:
    membership = _membership(request, ref, user_ref)
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Http404
    services.change_role(membership_id=membership.pk, by=request.user, **form.cleaned_data)
    messages.success(request, f"{membership.user} has a new role.")
    return redirect("accounts:organization", ref=ref)


@throttle("members", "60/h")
@login_required
@_get_or_post
def remove_member(request: SignedInRequest, ref: str, user_ref: str) -> HttpResponse:
    """Remove a colleague, or leave."""
    membership = _membership(request, ref, user_ref)
    leaves = membership.user_id == request.user.pk
    if request.method == "POST":
        services.remove_member(membership_id=membership.pk, by=request.user)
        if leaves:
            messages.success(request, f"You have left {membership.organization}.")
            return redirect("accounts:organizations")
        messages.success(request, f"{membership.user} was removed.")
        return redirect("accounts:organization", ref=ref)
    policies.can_remove_member(request.user, membership).enforce()
    page = {"membership": membership, "organization": membership.organization, "leaves": leaves}
    return render(request, "accounts/remove_member.html", page)


@throttle("accept", "20/h")
@login_required
@_get_or_post
def invitation(request: SignedInRequest, ref: str) -> HttpResponse:
    """The page the mail leads to. Another's invitation and none at all read the same."""
    found = Invitation.objects.filter(ref=ref).select_related("organization", "invited_by").first()
    if found is None:
        raise policies.no_invitation_for(request.user).refusal()
    policies.can_accept_invitation(request.user, found).enforce()
    if request.method == "POST":
        services.accept_invitation(invitation_id=found.pk, by=request.user)
        messages.success(request, f"You belong to {found.organization} now.")
        return redirect("accounts:organization", ref=found.organization.ref)
    page = {"invitation": found, "role": MemberRole(found.role).label}
    return render(request, "accounts/invitation.html", page)


@throttle("invite", "20/h")
@login_required
@form_of("accounts:organizations")
def resend_invitation(request: SignedInRequest, ref: str) -> HttpResponse:
    found = _invitation(request, ref)
    services.resend_invitation(invitation_id=found.pk, by=request.user)
    messages.success(request, f"{found.email} is invited once more.")
    return redirect("accounts:organization", ref=found.organization.ref)


@throttle("members", "60/h")
@login_required
@form_of("accounts:organizations")
def withdraw_invitation(request: SignedInRequest, ref: str) -> HttpResponse:
    found = _invitation(request, ref)
    services.withdraw_invitation(invitation_id=found.pk, by=request.user)
    messages.success(request, f"The invitation of {found.email} is withdrawn.")
    return redirect("accounts:organization", ref=found.organization.ref)


def _visible(request: SignedInRequest, ref: str) -> Organization:
    """The organisation, or 404 alike for another's and for none."""
    organization = get_object_or_404(Organization, ref=ref)
    if not policies.can_view_organization(request.user, organization):
        raise Http404
    return organization


def _membership(request: SignedInRequest, ref: str, user_ref: str) -> Membership:
    found = get_object_or_404(Membership, organization__ref=ref, user__ref=user_ref)
    _visible(request, ref)
    return found


def _invitation(request: SignedInRequest, ref: str) -> Invitation:
    found = get_object_or_404(Invitation.objects.select_related("organization"), ref=ref)
    _visible(request, found.organization.ref)
    return found


def _organization_page(
    request: SignedInRequest, organization: Organization, form: InvitationForm, status: int = 200
) -> HttpResponse:
    user = request.user
    members = [
        {
            "place": place,
            "role": MemberRole(place.role).label,
            "form": RoleForm(initial={"role": place.role}, auto_id=f"id_%s_{place.user.ref}"),
            "is_you": place.user_id == user.pk,
        }
        for place in selectors.members_of(organization)
    ]
    page = {
        "organization": organization,
        "members": members,
        "invitations": selectors.open_invitations(organization),
        "form": form,
        "can_invite": policies.can_invite_member(user, organization),
        "is_owner": policies.is_owner(user, organization),
        "runs_integrations": policies.runs_integrations(user, organization),
        "is_member": any(member["is_you"] for member in members),
    }
    return render(request, "accounts/organization.html", page, status=status)
