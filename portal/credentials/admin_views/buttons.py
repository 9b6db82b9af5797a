"""One confirm page a button."""

from django.http import HttpResponse

from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm
from portal.credentials import services
from portal.credentials.admin_forms import ReasonForm
from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Grant


def suspend_grant(request: SignedInRequest, grant: Grant) -> HttpResponse:
    return confirm(
        request,
        grant,
        title=f"Suspend {grant}?",
        template="admin/credentials/suspend_grant.html",
        act=lambda: services.suspend_grant(grant_id=grant.pk, by=request.user),
        done=f"{grant} is suspended: its keys are refused from now on.",
        context=_live(grant),
    )


def resume_grant(request: SignedInRequest, grant: Grant) -> HttpResponse:
    return confirm(
        request,
        grant,
        title=f"Resume {grant}?",
        template="admin/credentials/resume_grant.html",
        act=lambda: services.resume_grant(grant_id=grant.pk, by=request.user),
        done=f"{grant} is in force again.",
        context=_live(grant),
    )


def revoke_grant(request: SignedInRequest, grant: Grant) -> HttpResponse:
    form = ReasonForm(posted(request))
    return confirm(
        request,
        grant,
        title=f"Revoke {grant}?",
        template="admin/credentials/revoke_grant.html",
        form=form,
        act=lambda: services.revoke_grant(
            grant_id=grant.pk, reason=form.cleaned_data["reason"], by=request.user
        ),
        done=f"{grant} is revoked and its keys are dead.",
        context=_live(grant),
    )


def retry_activation(request: SignedInRequest, grant: Grant) -> HttpResponse:
    return confirm(
        request,
        grant,
        title=f"Prepare the key of {grant} again?",
        template="admin/credentials/retry_activation.html",
        act=lambda: services.retry_activation(grant_id=grant.pk, by=request.user),
        done=f"The worker has {grant} again.",
    )


def allow_new_keys(request: SignedInRequest, grant: Grant) -> HttpResponse:
    return confirm(
        request,
        grant,
        title=f"Allow new keys under {grant}?",
        template="admin/credentials/allow_new_keys.html",
        act=lambda: services.allow_new_keys(grant_id=grant.pk, by=request.user),
        done=f"The holder of {grant} can ask for another key.",
    )


def revoke_credential(request: SignedInRequest, credential: Credential) -> HttpResponse:
    form = ReasonForm(posted(request))
    return confirm(
        request,
        credential,
        title=f"Revoke key {credential}?",
        template="admin/credentials/revoke_credential.html",
        form=form,
        act=lambda: services.revoke_credential(
            kid=credential.kid, reason=form.cleaned_data["reason"], by=request.user
        ),
        done=f"Key {credential} is dead.",
    )


def _live(grant: Grant) -> dict[str, int]:
    return {"live": grant.credentials.filter(status__in=LIVE).count()}
