"""Where an application stands, its messages, and the list of one's own."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.requests import SignedInRequest
from portal.applications.enums import ApplicationStatus
from portal.applications.forms import MessageForm, in_words
from portal.applications.lifecycle import EDITABLE
from portal.applications.models import Application, Revision
from portal.applications.parts import tasks
from portal.applications.policies import (
    can_appeal_application,
    can_send_message,
    can_submit_application,
    can_withdraw_application,
)
from portal.applications.selectors import change_notes, own_applications
from portal.applications.services import send_message
from portal.applications.standing import standing
from portal.applications.timeline import entries_for
from portal.applications.views.reaching import own
from portal.private import form_of, private_page
from portal.throttle import throttle

A_PAGE = 20


@private_page
@require_safe
def applications(request: SignedInRequest) -> HttpResponse:
    """One's own, newest first, each with whose turn it is."""
    page = Paginator(own_applications(request.user), A_PAGE).get_page(request.GET.get("page"))
    rows = [(application, standing(application)) for application in page]
    return render(request, "applications/list.html", {"page": page, "rows": rows})


@private_page
@require_safe
def detail(request: SignedInRequest, ref: str) -> HttpResponse:
    """The task list while the applicant may write; else where it stands."""
    return _draw(request, own(request, ref), MessageForm())


@throttle("message", "30/h")
@private_page
@form_of("applications:detail", "ref")
def send(request: SignedInRequest, ref: str) -> HttpResponse:
    """Add to the thread with the reviewers."""
    application = own(request, ref)
    form = MessageForm(request.POST)
    if not form.is_valid():
        return _draw(request, application, form, status=400)
    send_message(application_id=application.pk, by=request.user, **form.cleaned_data)
    messages.success(request, "Sent. Our reviewers see it with your application.")
    return redirect("applications:detail", ref)


def _draw(
    request: SignedInRequest, application: Application, form: MessageForm, *, status: int = 200
) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {
        "application": application,
        "standing": standing(application),
        "thread": application.messages.all(),
        "entries": entries_for(application, user),
        "can_message": can_send_message(user, application),
        "can_withdraw": can_withdraw_application(user, application),
        "form": form,
    }
    if application.status in EDITABLE:
        context |= _to_do(request, application)
        return render(request, "applications/tasks.html", context, status=status)
    context |= _sent(request, application)
    return render(request, "applications/status.html", context, status=status)


def _to_do(request: SignedInRequest, application: Application) -> dict[str, Any]:
    todo = tasks(application)
    return {
        "tasks": todo,
        "done": sum(task.is_done for task in todo),
        "can_submit": can_submit_application(request.user, application),
        "notes": change_notes(application).get("", []),
        "changes": application.status == ApplicationStatus.CHANGES_REQUESTED,
    }


def _sent(request: SignedInRequest, application: Application) -> dict[str, Any]:
    """The last revision, read-only, and what was decided on it."""
    revision = application.revisions.first()
    return {
        "revision": revision,
        "sections": _sections(revision) if revision else [],
        "decision": application.decisions.first(),
        "grant": getattr(application, "grant", None),
        "can_appeal": can_appeal_application(request.user, application),
        "approved": application.status == ApplicationStatus.APPROVED,
        "granted": application.status == ApplicationStatus.GRANTED,
    }


def _sections(revision: Revision) -> list[tuple[str, list[tuple[str, str]]]]:
    """The snapshot's answers by page; prompts are those of the day it was sent."""
    pages: dict[str, list[tuple[str, str]]] = {}
    for answer in revision.snapshot["answers"]:
        pages.setdefault(answer["section"], []).append(
            (answer["prompt"], in_words(answer["answer"]))
        )
    return list(pages.items())
