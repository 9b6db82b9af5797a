"""What the pages and files of cases have in common."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.requests import SignedInRequest
from portal.admin_buttons import object_url
from portal.credentials.models import Reissue, Revocation
from portal.errors import DomainError
from portal.form_errors import tell

Frozen = TypeVar("Frozen", Revocation, Reissue)


def page(
    request: SignedInRequest,
    template: str,
    page: dict[str, Any],
    status: int = 200,
    *,
    of: type[Model] = Revocation,
) -> HttpResponse:
    """Under the list of what it is `of`."""
    page |= {
        **admin.site.each_context(request),
        "opts": of._meta,
        "list_url": reverse(f"admin:{of._meta.app_label}_{of._meta.model_name}_changelist"),
    }
    return TemplateResponse(request, template, page, status=status)


def confirm_as_shown(
    request: SignedInRequest,
    thing: Frozen,
    *,
    form: Callable[[dict[str, Any]], forms.Form],
    act: Callable[..., Frozen],
    show: Callable[..., HttpResponse],
    told: Callable[[Frozen], str],
) -> HttpResponse:
    """Take what somebody typed under a preview to the service. Whatever is wrong is told on that
    page, and nothing is done.
    """
    if request.method != "POST":
        return HttpResponseRedirect(object_url(thing))
    filled = form(request.POST.dict())
    if not filled.is_valid():
        return show(request, thing, filled, 400)
    try:
        now = act(by=request.user, **filled.cleaned_data)
    except DomainError as error:
        status = tell(filled, error)
        thing.refresh_from_db()
        # The page that answers shows it as it is now, so this is what is confirmed next.
        filled.data = {**filled.data, "digest": thing.digest}
        return show(request, thing, filled, status)
    messages.success(request, told(now))
    return HttpResponseRedirect(object_url(thing))


class _Line:
    """What the csv module writes a row to: it hands the row back."""

    def write(self, row: str) -> str:
        return row


def csv_file(name: str, rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """Written as it is read, so that a large case needs no memory."""
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        for row in rows:
            yield writer.writerow(row)

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    answer["Cache-Control"] = "no-store"
    return answer
