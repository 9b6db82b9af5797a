"""The staff's buttons on programmes: each asks first, then calls one service."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.requests import signed_in
from portal.admin_buttons import confirm
from portal.programs import services
from portal.programs.models import ModelRelease, RolloutPhase
from portal.programs.selectors import current_agreement


def publish_release(request: HttpRequest, release: ModelRelease) -> HttpResponse:
    return confirm(
        request,
        release,
        title=f"Publish {release}?",
        template="admin/programs/publish_release.html",
        act=lambda: services.publish_release(release_id=release.pk, by=signed_in(request)),
        done=f"{release} stands on the landing page.",
        context={
            "phases": release.phases.all(),
            "agreement": current_agreement(release),
            "capabilities": release.capabilities.all(),
        },
    )


def publish_agreement(request: HttpRequest, release: ModelRelease) -> HttpResponse:
    """The form is the agreement's own, filled in with the text in force."""
    add = reverse("admin:programs_agreementversion_add")
    return HttpResponseRedirect(f"{add}?{urlencode({'of': release.ref})}")


def halt_phase(request: HttpRequest, phase: RolloutPhase) -> HttpResponse:
    return confirm(
        request,
        phase,
        title=f"Halt {phase}?",
        template="admin/programs/halt_phase.html",
        act=lambda: services.halt_phase(phase_id=phase.pk, by=signed_in(request)),
        done=f"{phase} is halted: its keys are refused and nobody can apply.",
    )


def resume_phase(request: HttpRequest, phase: RolloutPhase) -> HttpResponse:
    return confirm(
        request,
        phase,
        title=f"Resume {phase}?",
        template="admin/programs/resume_phase.html",
        act=lambda: services.resume_phase(phase_id=phase.pk, by=signed_in(request)),
        done=f"{phase} goes on: its keys work again.",
    )
