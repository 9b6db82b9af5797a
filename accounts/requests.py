"""A request of somebody who is certainly signed in, failing closed; and what its form says."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, QueryDict

from accounts.models import User


class SignedInRequest(HttpRequest):
    """What a view behind a sign-in or the admin's wrapper receives: there is a user."""

    user: User
    htmx: bool  # django-htmx: asked for by script, which wants a piece or a word


def signed_in(request: HttpRequest) -> User:
    """Return who is signed in; raises PermissionDenied for nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form on the page is filled in with: None before it is sent.

    Also a POST without a word is an answer, and empty.
    """
    return request.POST if request.method == "POST" else None
