"""The public pages. They stand above the apps, because a phase's free places are known to the
credentials and everything else about it to the programmes.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from portal.credentials.selectors import places_taken_by_phase
from portal.programs.offers import offers
from portal.programs.selectors import current_agreement, published_releases


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What can be applied for now, and what was or will be."""
    taken = places_taken_by_phase()
    programmes = [offers(release, taken=taken) for release in published_releases()]
    programmes.sort(key=lambda each: not each.open)
    return render(request, "programs/home.html", {"programmes": programmes})


@require_safe
def release(request: HttpRequest, slug: str) -> HttpResponse:
    """One release: its risks, what a key can be allowed, its terms and its phases."""
    found = get_object_or_404(published_releases(), slug=slug)
    context = {
        "release": found,
        "programme": offers(found, taken=places_taken_by_phase()),
        "capabilities": found.capabilities.order_by("scope"),
        "agreement": current_agreement(found),
    }
    return render(request, "programs/release.html", context)
