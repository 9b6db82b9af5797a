"""What became of each line of a list of keys: on a page, and as a file."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.requests import SignedInRequest
from portal.credentials import policies
from portal.credentials.admin_forms import SelectorForm
from portal.credentials.admin_views.pages import csv_file, page
from portal.credentials.lines import ODD, Line, counted, in_order, rows
from portal.credentials.models import Revocation
from portal.credentials.selectors import partners_with_keys

PER_PAGE = 100
SHOWN = 50


def ask_for_keys(request: SignedInRequest, form: SelectorForm, status: int) -> HttpResponse:
    """The page that a case begins on; of a list that was refused it answers each line."""
    shown = {"title": "Revoke many keys", "form": form, "partners": partners_with_keys()}
    shown |= _answers(form) if form.errors else {}
    return page(request, "admin/credentials/new_revocation.html", shown, status)


def _answers(form: SelectorForm) -> dict[str, Any]:
    """How many lines were what, and the first to be corrected."""
    if form.listed is None:
        return {}
    answers = form.listed.answers()
    odd = [line for line in answers if line.answer in ODD]
    return {"answers": counted(answers), "odd": odd[:SHOWN], "more_odd": len(odd[SHOWN:])}


@never_cache
@require_POST
@sensitive_post_parameters("kids", "note", "exclusions")
def answer_list(request: SignedInRequest) -> HttpResponse | StreamingHttpResponse:
    """A file with an answer to each line of the list in the form. No case is made of it."""
    if not policies.can_revoke_in_bulk(request.user):
        raise PermissionDenied
    form = SelectorForm(request.POST, request.FILES)
    form.is_valid()  # what else is still empty is no reason not to answer
    if form.listed is None or not form.listed.length:
        if not {"kids", "file"} & set(form.errors):
            form.add_error("kids", "Paste key ids, or give a file, to have each line answered.")
        return ask_for_keys(request, form, 400)
    return csv_file("answers", rows(form.listed.answers()))


@never_cache
def show_lines(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """Every line of the list the case was made from."""
    lines = Paginator(case.lines.order_by("pk"), PER_PAGE).get_page(request.GET.get("page"))
    shown = {"title": f"{case.ref}: its list", "case": case, "lines": lines, **list_of(case)}
    return page(request, "admin/credentials/lines.html", shown)


def export_lines(request: SignedInRequest, case: Revocation) -> StreamingHttpResponse:
    """The same as a file; read as it is written."""
    found = case.lines.order_by("pk").values_list("number", "kid", "answer")
    return csv_file(f"{case.ref}-list", rows(Line(*row) for row in found.iterator(chunk_size=2000)))


def list_of(case: Revocation) -> dict[str, Any]:
    """How many lines were what; nothing for a case that was made from no list."""
    found = case.lines.order_by().values_list("answer").annotate(Count("pk"))
    return {"answers": in_order(dict(found))}
