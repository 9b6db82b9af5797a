"""The page of a case for people whose keys it stopped: what happened, what to do, a thread."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from portal.credentials import case_threads
from portal.credentials.forms import CaseMessageForm
from portal.credentials.models import Revocation
from portal.credentials.services import write_about_case
from portal.errors import DomainError
from portal.form_errors import tell
from portal.private import private_page
from portal.throttle import throttle

PER_PAGE = 50


@throttle("case-message", "20/h")
@private_page
@sensitive_post_parameters("body")
@require_http_methods(["GET", "HEAD", "POST"])
def stopped(request: SignedInRequest, ref: str) -> HttpResponse:
    """Whoever it did not touch is told what they would be told if there were no such case."""
    case = Revocation.objects.filter(ref=ref).first()
    items = case_threads.stopped_for(request.user, case) if case else None
    keys = Paginator(items or [], PER_PAGE)
    if case is None or not keys.count:
        raise Http404
    form = CaseMessageForm(posted(request))
    status = 400 if form.errors else 200
    if request.method == "POST" and form.is_valid():
        try:
            write_about_case(revocation_id=case.pk, by=request.user, **form.cleaned_data)
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, "Your message is sent. We answer here, and mail you when.")
            return redirect("credentials:case", ref=ref)
    page = keys.get_page(request.GET.get("page"))
    shown = {
        "case": case,
        "keys": page,
        "count": keys.count,
        "instead": case_threads.what_there_is_instead(page),
        "thread": case_threads.thread_of(request.user, case),
        "may_write": case_threads.can_write_about(request.user, case),
        "form": form,
    }
    return render(request, "credentials/case.html", shown, status=status)
