"""The last look before submitting, and the ways back: withdraw, appeal."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from portal.applications.answers import problems
from portal.applications.enums import ApplicationStatus
from portal.applications.forms import AppealForm, in_words
from portal.applications.models import Application
from portal.applications.parts import sections
from portal.applications.policies import (
    can_appeal_application,
    can_edit_application,
    can_submit_application,
    can_withdraw_application,
)
from portal.applications.services import (
    appeal_application,
    submit_application,
    withdraw_application,
)
from portal.applications.views.reaching import own
from portal.errors import Invalid
from portal.private import private_page
from portal.programs.selectors import current_agreement, signed_current_agreement
from portal.throttle import throttle

_ANY = require_http_methods(["GET", "HEAD", "POST"])


@throttle("submit", "30/h")
@private_page
@_ANY
def check(request: SignedInRequest, ref: str) -> HttpResponse:
    """Everything as the reviewers will read it, with a way to change each; then submit."""
    application = own(request, ref)
    if request.method == "POST":
        return _submit(request, application)
    if not can_edit_application(request.user, application):
        return redirect("applications:detail", ref)
    return render(request, "applications/check.html", _last_look(request, application))


def _submit(request: SignedInRequest, application: Application) -> HttpResponse:
    try:
        submit_application(application_id=application.pk, by=request.user)
    except Invalid as refusal:
        context = {**_last_look(request, application), "refusal": refusal}
        return render(request, "applications/check.html", context, status=refusal.status)
    messages.success(request, "Submitted. We have mailed you a confirmation.")
    return redirect("applications:detail", application.ref)


def _last_look(request: SignedInRequest, application: Application) -> dict[str, Any]:
    questions = list(application.phase.questions.all())
    found = problems(questions, application.answers)
    pages = sections(questions, application.answers)
    terms = current_agreement(application.phase.release)
    signed = signed_current_agreement(application.applicant_id, application.phase.release)
    return {
        "application": application,
        "sections": [(page, _answers(page.asked, application, found)) for page in pages],
        "capabilities": application.phase.capabilities.filter(scope__in=application.scopes),
        "agreement": terms,
        "signed": signed,
        "left": _left(application, pages, found, signed=signed),
        "verdict": can_submit_application(request.user, application),
        "again": application.status == ApplicationStatus.CHANGES_REQUESTED,
    }


def _answers(
    questions: list[Any], application: Application, found: dict[str, str]
) -> list[tuple[str, str, str]]:
    """(prompt, answer, problem) of each question."""
    return [
        (q.prompt, in_words(application.answers.get(q.key)), found.get(q.key, ""))
        for q in questions
    ]


def _left(
    application: Application, pages: list[Any], found: dict[str, str], *, signed: bool
) -> list[tuple[str, str]]:
    """(what to do, where) for everything that stands in the way."""
    ref, left = application.ref, []
    for page in pages:
        address = reverse("applications:section", args=[ref, page.number])
        left += [
            (f"{q.prompt} {found[q.key]}", f"{address}?check#id_{q.key}")
            for q in page.asked
            if q.key in found
        ]
    if not application.scopes:
        left.append(
            ("Choose at least one capability.", reverse("applications:capabilities", args=[ref]))
        )
    if not signed:
        left.append(("Read and sign the terms.", reverse("applications:agreement", args=[ref])))
    return left


@throttle("withdraw", "30/h")
@private_page
@_ANY
def withdraw(request: SignedInRequest, ref: str) -> HttpResponse:
    """Asks once more, then takes the application back."""
    application = own(request, ref)
    if request.method == "POST":
        withdraw_application(application_id=application.pk, by=request.user)
        messages.success(request, f"{ref} is withdrawn.")
        return redirect("applications:list")
    can_withdraw_application(request.user, application).enforce()
    return render(request, "applications/withdraw.html", {"application": application})


@throttle("appeal", "10/h")
@private_page
@_ANY
def appeal(request: SignedInRequest, ref: str) -> HttpResponse:
    """Says what other reviewers should look at again; possible once."""
    application = own(request, ref)
    can_appeal_application(request.user, application).enforce()
    form = AppealForm(posted(request))
    if request.method == "POST" and form.is_valid():
        appeal_application(application_id=application.pk, by=request.user, **form.cleaned_data)
        messages.success(request, "We have your appeal. Other reviewers look at it now.")
        return redirect("applications:detail", ref)
    context = {"application": application, "form": form}
    return render(request, "applications/appeal.html", context, status=400 if form.errors else 200)
