"""A case of revocation: choose, look at the preview, confirm, follow, read the report.

One address serves a case through its whole life, so a reload or another tab always shows where
it stands.
"""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.requests import SignedInRequest
from portal.admin_buttons import confirm, object_url
from portal.credentials import casebook, policies, services
from portal.credentials.admin_forms import ConfirmForm, SelectorForm
from portal.credentials.enums import RevocationStatus
from portal.credentials.models import Revocation
from portal.credentials.selectors import partners_with_keys
from portal.errors import DomainError, Invalid
from portal.form_errors import tell

PER_PAGE = 50
_UNDER_WAY = (RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS)
_PREFILLED = ("release", "phase", "organization", "person")


@never_cache
@sensitive_post_parameters("kids", "note")
def new_revocation(request: SignedInRequest, kids: list[str] | None = None) -> HttpResponse:
    """Choose the keys. `kids` were ticked in a list; otherwise the address may say what to fill
    in: `?by=organization&value=ORG-…`, or `?again=CASE-…` for an expired preview.
    """
    if not policies.can_revoke_in_bulk(request.user):
        raise PermissionDenied
    asked = request.method == "POST" and kids is None
    initial = {"by": "kids", "kids": "\n".join(kids)} if kids else _asked_for(request)
    form = SelectorForm(
        request.POST if asked else None, request.FILES if asked else None, initial=initial
    )
    status = 200
    if asked and form.is_valid():
        try:
            case = services.preview_revocation(
                selector=form.selector,
                reason=form.cleaned_data["reason"],
                note=form.cleaned_data["note"],
                by=request.user,
            )
        except DomainError as error:
            status = tell(form, _about_field(form, error))
        else:
            return HttpResponseRedirect(object_url(case))
    page = {"title": "Revoke many keys", "form": form, "partners": partners_with_keys()}
    page |= {"chosen": form["by"].value()}
    return _page(request, "admin/credentials/new_revocation.html", page, status)


def _asked_for(request: SignedInRequest) -> dict[str, Any]:
    by, value = request.GET.get("by", ""), request.GET.get("value", "")
    if by in _PREFILLED:
        return {"by": by, by: value}
    earlier = Revocation.objects.filter(ref=request.GET.get("again", "")).first()
    if earlier is None:
        return {}
    by, value = earlier.selector["by"], earlier.selector["value"]
    filled = "\n".join(value) if by == "kids" else value
    return {"by": by, by: filled, "reason": earlier.reason, "note": earlier.note}


def _about_field(form: SelectorForm, error: DomainError) -> DomainError:
    """The service speaks of `value`; on this form each way of choosing has a field of its own."""
    if isinstance(error, Invalid) and "value" in error.fields:
        by = form.cleaned_data["by"]
        return Invalid(error.code, error.message, {by: error.message})
    return error


@never_cache
def show_case(
    request: SignedInRequest,
    case: Revocation,
    form: ConfirmForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Preview, progress or report, whichever the case has come to."""
    items = Paginator(casebook.items_of(case), PER_PAGE)
    items.count = case.count  # every frozen key is an item, and none is ever added
    page = {
        "title": f"{case.ref}: {case.get_status_display().lower()}",
        "case": case,
        **casebook.overview(case),
        "items": items.get_page(request.GET.get("page")),
        "entries": casebook.case_timeline(case),
        "deciding": bool(policies.can_decide_revocation(request.user, case)),
        "may_revoke": bool(policies.can_revoke_in_bulk(request.user)),
        "form": form or ConfirmForm(initial={"digest": case.digest}),
        **_headway(case),
    }
    return _page(request, "admin/credentials/case.html", page, status)


@never_cache
def show_headway(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """The part of the page that changes while workers tell the holders, asked for by htmx."""
    answer = TemplateResponse(
        request, "admin/credentials/parts/headway.html", {"case": case, **_headway(case)}
    )
    if case.status not in _UNDER_WAY:
        answer["HX-Refresh"] = "true"  # it is over: show the whole report
    return answer


def _headway(case: Revocation) -> dict[str, Any]:
    under_way = case.status in _UNDER_WAY
    return {
        "headway": casebook.headway(case) if case.confirmed_at else None,
        "under_way": under_way,
        "failing": casebook.failing(case)[:PER_PAGE] if under_way else [],
    }


@never_cache
def confirm_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """Dead when this answers. Whatever is wrong is told on the preview, and nothing is revoked."""
    if request.method != "POST":
        return HttpResponseRedirect(object_url(case))
    form = ConfirmForm(request.POST.dict())
    if not form.is_valid():
        return show_case(request, case, form, 400)
    try:
        services.start_revocation(
            revocation_id=case.pk,
            digest=form.cleaned_data["digest"],
            typed_count=form.cleaned_data["typed_count"],
            by=request.user,
        )
    except DomainError as error:
        status = tell(form, error)
        case.refresh_from_db()
        # The page that answers shows the case as it is now, so this is what is confirmed next.
        form.data = {**form.data, "digest": case.digest}
        return show_case(request, case, form, status)
    messages.success(request, f"{case.ref}: the keys are dead. Workers now tell their holders.")
    return HttpResponseRedirect(object_url(case))


def cancel_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    return confirm(
        request,
        case,
        title=f"Put {case} away?",
        template="admin/credentials/cancel_revocation.html",
        act=lambda: services.cancel_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case} is cancelled. Nothing was revoked.",
    )


class _Line:
    """What the csv module writes a row to: it hands the row back."""

    def write(self, row: str) -> str:
        return row


def export_case(request: SignedInRequest, case: Revocation) -> StreamingHttpResponse:
    """One line a key; written as it is read, so that a large case needs no memory."""
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        for row in casebook.export(case):
            yield writer.writerow(row)

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{case.ref}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


def _page(
    request: SignedInRequest, template: str, page: dict[str, Any], status: int = 200
) -> HttpResponse:
    page |= {
        **admin.site.each_context(request),
        "opts": Revocation._meta,
        "list_url": reverse("admin:credentials_revocation_changelist"),
    }
    return TemplateResponse(request, template, page, status=status)
