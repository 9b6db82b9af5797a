"""The parts of a draft, one page each."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from accounts.selectors import organizations_of
from portal.applications.answers import Answers, problems
from portal.applications.forms import AnswersForm, OrganizationForm, answers_from
from portal.applications.models import Application
from portal.applications.parts import Section, sections
from portal.applications.policies import can_edit_application
from portal.applications.selectors import change_notes
from portal.applications.views.reaching import own
from portal.applications.views.saving import SHOWN, onward, save, saved_quietly
from portal.errors import Conflict, DomainError
from portal.private import private_page
from portal.programs.enums import RiskTier
from portal.programs.forms import SignatureForm
from portal.programs.selectors import TIER_ORDER, current_agreement
from portal.programs.services import sign_agreement
from portal.throttle import throttle

_SAVING = "120/m"  # somebody who types and pauses saves every few seconds
_ANY = require_http_methods(["GET", "HEAD", "POST"])


# --- Questions --------------------------------------------------------------------------------


@throttle("save", _SAVING)
@private_page
@_ANY
def section(request: SignedInRequest, ref: str, number: int) -> HttpResponse:
    """One page of questions, saved even when incomplete; `?check` shows what is missing."""
    application = own(request, ref)
    page = _section(application, number)
    if request.method == "POST":
        return _save_section(request, application, page)
    if not can_edit_application(request.user, application):
        return redirect("applications:detail", ref)
    found = _problems(application) if "check" in request.GET else {}
    form = AnswersForm(page, application.answers, problems=found, notes=change_notes(application))
    return _draw_section(request, application, page, form)


def _save_section(
    request: SignedInRequest, application: Application, page: Section
) -> HttpResponse:
    # What is sent was on the page, whatever the page says about itself.
    shown = {*request.POST.get(SHOWN, "").split(), *request.POST}
    typed = answers_from([q for q in page.questions if q.key in shown], request.POST)

    def again(now: Application, refusal: DomainError) -> HttpResponse:
        return _section_again(request, now, page.number, typed, refusal)

    saved = save(request, application, again=again, answers=typed)
    if isinstance(saved, HttpResponse):
        return saved
    page = _section(saved, page.number)
    if request.htmx:
        return _state_of_section(request, saved, page, shown)
    if "leave" not in request.POST and not page.is_done:
        if {question.key for question in page.asked} - shown:
            messages.info(request, "Saved. One of your answers raises another question.")
        address = reverse("applications:section", args=[saved.ref, page.number])
        return redirect(f"{address}?check")
    return onward(request, saved, "section", page.number)


def _section_again(
    request: SignedInRequest, now: Application, number: int, typed: Answers, refusal: DomainError
) -> HttpResponse:
    """What was typed stays in the form; where another tab saved something else, both are shown."""
    page = _section(now, number, typed)
    saved = {key: now.answers.get(key) for key in typed if now.answers.get(key) != typed[key]}
    meanwhile = saved if isinstance(refusal, Conflict) else {}
    form = AnswersForm(page, now.answers | typed, notes=change_notes(now), meanwhile=meanwhile)
    return _draw_section(request, now, page, form, refusal)


def _state_of_section(
    request: SignedInRequest, application: Application, page: Section, shown: set[str]
) -> HttpResponse:
    """The new version, and those questions that an answer has raised or made needless."""
    form = AnswersForm(page, application.answers, notes=change_notes(application))
    asked = {question.key for question in page.asked}
    changed = [slot for slot in form.slots() if (slot.key in asked) != (slot.key in shown)]
    context = {"version": application.version, "form": form, "changed": changed}
    return render(request, "applications/form_state.html", context)


def _draw_section(
    request: SignedInRequest,
    application: Application,
    page: Section,
    form: AnswersForm,
    refusal: DomainError | None = None,
) -> HttpResponse:
    context = {"section": page, "form": form, **_common(application, refusal)}
    status = refusal.status if refusal else 200
    return render(request, "applications/section.html", context, status=status)


def _section(application: Application, number: int, typed: Answers | None = None) -> Section:
    questions = list(application.phase.questions.all())
    pages = sections(questions, application.answers | (typed or {}))
    if not 1 <= number <= len(pages):
        raise Http404
    return pages[number - 1]


def _problems(application: Application) -> dict[str, str]:
    return problems(application.phase.questions.all(), application.answers)


def _common(application: Application, refusal: DomainError | None = None) -> dict[str, object]:
    return {"application": application, "version": application.version, "refusal": refusal}


# --- Capabilities -----------------------------------------------------------------------------


@throttle("save", _SAVING)
@private_page
@_ANY
def capabilities(request: SignedInRequest, ref: str) -> HttpResponse:
    """What the key should be able to do, and how many people have to agree to it."""
    application = own(request, ref)
    if request.method == "POST":
        return _save_capabilities(request, application)
    if not can_edit_application(request.user, application):
        return redirect("applications:detail", ref)
    return _draw_capabilities(request, application, application.scopes)


def _save_capabilities(request: SignedInRequest, application: Application) -> HttpResponse:
    chosen = request.POST.getlist("scopes")

    def again(now: Application, refusal: DomainError) -> HttpResponse:
        return _draw_capabilities(request, now, chosen, refusal)

    saved = save(request, application, again=again, scopes=chosen)
    if isinstance(saved, HttpResponse):
        return saved
    if request.htmx:
        return saved_quietly(request, saved)
    return onward(request, saved, "capabilities")


def _draw_capabilities(
    request: SignedInRequest,
    application: Application,
    chosen: list[str],
    refusal: DomainError | None = None,
) -> HttpResponse:
    phase = application.phase
    offered = list(phase.capabilities.order_by("scope"))
    tiers = {capability.tier for capability in offered}
    context = {
        "capabilities": offered,
        "chosen": chosen,
        "tiers": [
            (tier, RiskTier(tier).label, phase.reviewers_needed(tier))
            for tier in TIER_ORDER
            if tier in tiers
        ],
        **_common(application, refusal),
    }
    status = refusal.status if refusal else 200
    return render(request, "applications/capabilities.html", context, status=status)


# --- Who applies ------------------------------------------------------------------------------


@throttle("save", _SAVING)
@private_page
@_ANY
def organization(request: SignedInRequest, ref: str) -> HttpResponse:
    """For oneself, or for an organisation one belongs to."""
    application = own(request, ref)
    if request.method == "POST":
        return _save_organization(request, application)
    if not can_edit_application(request.user, application):
        return redirect("applications:detail", ref)
    chosen = application.organization.ref if application.organization else ""
    return _draw_organization(request, application, chosen)


def _save_organization(request: SignedInRequest, application: Application) -> HttpResponse:
    chosen = request.POST.get("organization", "").replace("\0", "")

    def again(now: Application, refusal: DomainError) -> HttpResponse:
        return _draw_organization(request, now, chosen, refusal)

    saved = save(request, application, again=again, organization_ref=chosen)
    if isinstance(saved, HttpResponse):
        return saved
    if request.htmx:
        return saved_quietly(request, saved)
    return onward(request, saved, "organization")


def _draw_organization(
    request: SignedInRequest,
    application: Application,
    chosen: str,
    refusal: DomainError | None = None,
) -> HttpResponse:
    form = OrganizationForm(
        organizations_of(request.user),
        chosen=chosen,
        problems=getattr(refusal, "fields", {}),
    )
    context = {"form": form, **_common(application, refusal)}
    status = refusal.status if refusal else 200
    return render(request, "applications/organization.html", context, status=status)


# --- Terms ------------------------------------------------------------------------------------


@throttle("sign", "30/h")
@private_page
@_ANY
def agreement(request: SignedInRequest, ref: str) -> HttpResponse:
    """The terms in force: read, sign by typing one's name."""
    application = own(request, ref)
    terms = current_agreement(application.phase.release)
    if terms is None:
        raise Http404
    form = SignatureForm(posted(request), agreement=terms)
    refusal = None
    if request.method == "POST" and form.is_valid():
        try:
            sign_agreement(agreement_id=terms.pk, by=request.user, **form.cleaned_data)
        except Conflict as changed:
            refusal, form = changed, form.again()
        else:
            messages.success(request, "Signed.")
            return onward(request, application, "agreement")
    signature = terms.signatures.filter(user=request.user).first()
    context: dict[str, Any] = {"agreement": terms, "signature": signature, "form": form}
    context |= _common(application, refusal)
    status = refusal.status if refusal else 200
    return render(request, "applications/agreement.html", context, status=status)
