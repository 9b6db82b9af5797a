"""What partners wrote about a case: unread first, each with a reply and a mark."""

import re
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.requests import SignedInRequest
from portal.credentials import case_threads, services
from portal.credentials.admin_answer_forms import AnswerForm, AnswerMark
from portal.credentials.admin_views.pages import page
from portal.credentials.models import CaseThread, Revocation
from portal.errors import DomainError
from portal.form_errors import tell

PER_PAGE = 10
_REFERENCE = re.compile(r"USR-[0-9A-Z]{6,12}")
_DONE = {
    AnswerMark.REPLY: "Sent. A mail tells them that it is there.",
    AnswerMark.HANDLED: "Dealt with, as far as you had read.",
    AnswerMark.REOPEN: "Marked as unread.",
}


@never_cache
@sensitive_post_parameters("body")
def answers(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """Every thread of the case; `?who=USR-…` shows one."""
    if request.method == "POST":
        return _act(request, case)
    return _shown(request, case)


def _act(request: SignedInRequest, case: Revocation) -> HttpResponse:
    if not case_threads.can_answer(request.user):
        raise PermissionDenied
    who = request.POST.get("who", "")
    thread = _REFERENCE.fullmatch(who) and case_threads.threads_of(case, who=who).first()
    if not thread:
        raise Http404
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return _shown(request, case, form, 400)
    act, seen, body = (form.cleaned_data[name] for name in ("act", "seen", "body"))
    try:
        _do(act, thread, seen, body, request)
    except DomainError as error:
        return _shown(request, case, form, tell(form, error))
    messages.success(request, _DONE[AnswerMark(act)])
    back = reverse("admin:credentials_revocation_answers", args=[case.ref])
    return HttpResponseRedirect(back)


def _do(act: str, thread: CaseThread, seen: str, body: str, request: SignedInRequest) -> None:
    named: dict[str, Any] = {"thread_id": thread.pk, "seen": seen, "by": request.user}
    if act == AnswerMark.REPLY:
        services.reply_about_case(**named, body=body)
    elif act == AnswerMark.HANDLED:
        services.handle_answer(**named)
    else:
        services.reopen_answer(**named)


def _shown(
    request: SignedInRequest, case: Revocation, form: AnswerForm | None = None, status: int = 200
) -> HttpResponse:
    """A refused form stands with its thread, and that one alone, with what was typed in it."""
    asked = str(form.data.get("who", "")) if form else request.GET.get("who", "")
    who = asked if _REFERENCE.fullmatch(asked) else ""
    threads = Paginator(case_threads.threads_of(case, who=who), PER_PAGE)
    shown = threads.get_page(request.GET.get("page"))
    context = {
        "title": f"Answers to {case.ref}",
        "case": case,
        "threads": [
            case_threads.Shown(each, _form_of(each, form if who else None)) for each in shown
        ],
        "page": shown,
        "who": who,
        "may_answer": bool(case_threads.can_answer(request.user)),
    }
    return page(request, "admin/credentials/answers.html", context, status)


def _form_of(thread: CaseThread, refused: AnswerForm | None) -> AnswerForm:
    form = AnswerForm(thread=thread)
    if refused is not None:
        form = refused
        # The page shows the newest message, so that is what has been seen when it is sent again.
        typed = {name: refused.data.get(name, "") for name in ("body", "who")}
        form.data = {**typed, "seen": list(thread.messages.all())[-1].ref}
    form.auto_id = f"{thread.person.ref}_%s"
    return form
