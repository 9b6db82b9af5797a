"""What the pages and files of cases have in common."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.requests import SignedInRequest
from portal.credentials.models import Revocation


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
