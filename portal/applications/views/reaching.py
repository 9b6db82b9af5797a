"""How every page about an application finds it."""

from django.shortcuts import get_object_or_404

from accounts.requests import SignedInRequest
from portal.applications.models import Application
from portal.applications.selectors import own_applications


def own(request: SignedInRequest, ref: str) -> Application:
    """The application, if it is this person's; others' do not exist for them."""
    return get_object_or_404(own_applications(request.user), ref=ref)
