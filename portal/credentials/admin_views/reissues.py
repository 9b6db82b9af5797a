"""A re-issue after a case: choose, look at the preview, confirm, follow.

One address serves it through its whole life, as one does a case.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.reauthentication import fresh_sign_in_required, is_fresh
from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm, object_url
from portal.credentials import casebook, reissue_policies, reissue_report, services
from portal.credentials.admin_reissue_forms import ReissueConfirmForm, ReissueForm
from portal.credentials.admin_views.pages import confirm_as_shown, csv_file, page
from portal.credentials.enums import ReissueStatus
from portal.credentials.models import Reissue, Revocation
from portal.errors import DomainError
from portal.form_errors import tell

PER_PAGE = 50
_UNDECIDED = (ReissueStatus.PREVIEWED, ReissueStatus.AWAITING_SECOND)


@never_cache
@sensitive_post_parameters("note", "exclusions")
def new_reissue(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """Choose which of the case's grants get a new slot."""
    form = ReissueForm(posted(request), case=case)
    status = 400 if form.errors else 200
    if request.method == "POST" and form.is_valid():
        try:
            reissue = services.preview_reissue(
                revocation_id=case.pk, by=request.user, **form.cleaned_data
            )
        except DomainError as error:
            status = tell(form, error)
        else:
            return HttpResponseRedirect(object_url(reissue))
    shown = {"title": f"Re-issue keys of {case.ref}", "case": case, "form": form}
    return page(request, "admin/credentials/new_reissue.html", shown, status)


@never_cache
def show_reissue(
    request: SignedInRequest,
    reissue: Reissue,
    form: ReissueConfirmForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Preview, progress or report, whichever it has come to."""
    items = Paginator(reissue_report.items_of(reissue), PER_PAGE)
    shown = {
        "title": f"{reissue.ref}: {reissue.get_status_display().lower()}",
        "reissue": reissue,
        "case": reissue.revocation,
        **reissue_report.overview(reissue),
        "items": items.get_page(request.GET.get("page")),
        "entries": casebook.case_timeline(reissue),
        "deciding": bool(reissue_policies.can_decide_reissue(request.user, reissue)),
        "approving": bool(reissue_policies.can_approve_reissue(request.user, reissue)),
        "undecided": reissue.status in _UNDECIDED,
        "in_time": reissue.status in _UNDECIDED and reissue.expires_at > timezone.now(),
        "form": form or ReissueConfirmForm(reissue=reissue),
        "fresh": is_fresh(request),
        "headway": reissue_report.headway(reissue) if reissue.confirmed_at else None,
    }
    return page(request, "admin/credentials/reissue.html", shown, status, of=Reissue)


@never_cache
def show_slots(request: SignedInRequest, reissue: Reissue) -> HttpResponse:
    """The part of the page that changes while workers are at it, asked for by htmx."""
    shown = {"reissue": reissue, "headway": reissue_report.headway(reissue)}
    answer = TemplateResponse(request, "admin/credentials/parts/slots.html", shown)
    if reissue.status != ReissueStatus.RUNNING:
        answer["HX-Refresh"] = "true"  # it is over: show the whole report
    return answer


@never_cache
@fresh_sign_in_required
def confirm_reissue(request: SignedInRequest, reissue: Reissue) -> HttpResponse:
    """Workers begin when this answers, unless a second person is needed."""
    return _confirm(request, reissue, services.start_reissue)


@never_cache
@fresh_sign_in_required
def approve_reissue(request: SignedInRequest, reissue: Reissue) -> HttpResponse:
    """The second person."""
    return _confirm(request, reissue, services.approve_reissue)


def _confirm(
    request: SignedInRequest, reissue: Reissue, service: Callable[..., Reissue]
) -> HttpResponse:
    return confirm_as_shown(
        request,
        reissue,
        form=partial(ReissueConfirmForm, reissue=reissue),
        act=partial(service, reissue_id=reissue.pk),
        show=show_reissue,
        told=_told,
    )


def _told(reissue: Reissue) -> str:
    if reissue.status == ReissueStatus.AWAITING_SECOND:
        return f"{reissue}: confirmed by you. It takes somebody else now; nothing is made yet."
    return f"{reissue}: workers now make the slots and tell partners."


def cancel_reissue(request: SignedInRequest, reissue: Reissue) -> HttpResponse:
    return confirm(
        request,
        reissue,
        title=f"Put {reissue} away?",
        template="admin/credentials/cancel_reissue.html",
        act=lambda: services.cancel_reissue(reissue_id=reissue.pk, by=request.user),
        done=f"{reissue} is put away. Nothing was re-issued.",
    )


def export_reissue(request: SignedInRequest, reissue: Reissue) -> StreamingHttpResponse:
    """One line a grant."""
    rows: Any = reissue_report.export(reissue)
    return csv_file(reissue.ref, rows)
