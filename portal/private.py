"""Pages of a person signed in, and what their forms are sent to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponse]


def private_page(view: View) -> View:
    """Sign-in first; never kept by the browser, so that Back shows what is true now.

    Scripts of somebody signed out are told so: they would take the sign-in page for a success.
    Whoever sent a text and is signed out gets it back: the way through sign-in would lose it.
    """
    signed_in = login_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            if getattr(request, "htmx", False):
                return HttpResponse("Signed out.", status=401, content_type="text/plain")
            if texts := _texts(request):
                page = {"texts": texts, "next": request.path}
                return render(request, "signed_out.html", page, status=403)
        return signed_in(request, *args, **kwargs)

    return never_cache(guarded)


def form_of(page: str, *kept: str) -> Callable[[View], View]:
    """A view for what the forms on `page` send.

    Whoever comes to it by GET, after signing in or by the address bar, is led to that page, whose
    address keeps the parameters named in `kept`.

        @form_of("applications:detail", "ref")
        def send(request, ref): ...
    """

    def decorator(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            return redirect(page, **{name: kwargs[name] for name in kept})

        return require_http_methods(["GET", "HEAD", "POST"])(posted)

    return decorator


def _texts(request: HttpRequest) -> list[str]:
    """What somebody wrote: all that has several words. The rest is quickly put in again."""
    return [
        value.strip()
        for values in request.POST.lists()
        for value in values[1]
        if len(value.split()) > 1
    ]
