"""Saving one page of a draft, by button or as the applicant types."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.requests import SignedInRequest
from portal.applications.models import Application
from portal.applications.parts import tasks
from portal.applications.services import save_answers
from portal.errors import Conflict, DomainError, Invalid

VERSION, SHOWN = "form.version", "form.shown"  # no question's key holds a dot

Again = Callable[[Application, DomainError], HttpResponse]


def save(
    request: SignedInRequest, application: Application, *, again: Again, **parts: Any
) -> Application | HttpResponse:
    """Save these parts and return the application, or the answer that says why not.

    `again` draws the page with what was typed still in it, on the application as it is now.
    """
    try:
        return save_answers(
            application_id=application.pk, version=_version(request), by=request.user, **parts
        )
    except (Conflict, Invalid) as refusal:
        if request.htmx:
            return HttpResponse(refusal.message, status=refusal.status, content_type="text/plain")
        application.refresh_from_db()
        return again(application, refusal)


def _version(request: SignedInRequest) -> int:
    """The save the page was made from; a page that does not say is stale."""
    posted = request.POST.get(VERSION, "")
    return int(posted) if posted.isascii() and posted.isdigit() and len(posted) < 10 else -1


def saved_quietly(request: SignedInRequest, application: Application) -> HttpResponse:
    """The answer to an autosave: the page is now made from this version."""
    return render(request, "applications/form_state.html", {"version": application.version})


def onward(
    request: SignedInRequest, application: Application, page: str, *args: str | int
) -> HttpResponse:
    """To the next part that is not done, from this one on; when all are, to the last look."""
    if "leave" in request.POST:
        messages.success(request, "Saved. Come back whenever you like.")
        return redirect("applications:detail", application.ref)
    todo = tasks(application)
    here = next(
        (
            place
            for place, task in enumerate(todo)
            if (task.page, task.args[1:]) == (page, list(args))
        ),
        0,
    )
    left = [task for task in (*todo[here + 1 :], *todo[:here]) if not task.is_done]
    if left:
        return redirect(left[0].url)
    return redirect("applications:check", application.ref)
