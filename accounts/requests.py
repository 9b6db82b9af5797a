"""Requests of somebody who is certainly signed in: for the type checker, and failing closed."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

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
