"""Choosing a phase and starting a draft."""

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from portal.applications.selectors import open_application
from portal.applications.services import start_application
from portal.programs.models import RolloutPhase
from portal.programs.offers import offer
from portal.programs.selectors import open_phases
from portal.throttle import throttle


@throttle("apply", "20/h")
@require_http_methods(["GET", "HEAD", "POST"])
def apply(request: HttpRequest) -> HttpResponse:
    """Phases one can apply to, or the one chosen, with the button that starts a draft.

    Public to read; to start, one signs in and comes back here.
    """
    phases = list(open_phases().prefetch_related("questions").order_by("release", "order"))
    if request.method == "POST":
        return _start(request, phases)
    wanted = _named(phases, request.GET.get("phase", ""))
    if wanted is None:
        offers = [offer(phase, taken=0) for phase in phases]
        return render(request, "applications/apply.html", {"offers": offers})
    mine = request.user.is_authenticated and open_application(request.user, wanted.pk)
    context = {"offer": offer(wanted, taken=0), "mine": mine, "here": request.get_full_path()}
    return render(request, "applications/start.html", context)


def _start(request: HttpRequest, phases: list[RolloutPhase]) -> HttpResponse:
    phase = _named(phases, request.POST.get("phase", ""))
    if phase is None:
        raise Http404
    if not request.user.is_authenticated:
        return redirect_to_login(f"{request.path}?phase={phase.ref}")
    application = start_application(phase_id=phase.pk, by=request.user)
    return redirect("applications:detail", application.ref)


def _named(phases: list[RolloutPhase], ref: str) -> RolloutPhase | None:
    return next((phase for phase in phases if phase.ref == ref), None)
