"""Pages of a person signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

View = Callable[..., HttpResponse]


def private_page(view: View) -> View:
    """Sign-in first; never kept by the browser, so that Back shows what is true now.

    Scripts of somebody signed out are told so: they would take the sign-in page for a success.
    """
    signed_in = login_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if getattr(request, "htmx", False) and not request.user.is_authenticated:
            return HttpResponse("Signed out.", status=401, content_type="text/plain")
        return signed_in(request, *args, **kwargs)

    return never_cache(guarded)
