"""What staff do to ticked rows: all of it leads to the page that previews a revocation.

Organisations, phases and releases belong to rooms that know nothing of keys, so their lists are
given the action from here.
"""

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import Organization
from accounts.requests import SignedInRequest
from portal.credentials import selectors, targets
from portal.credentials.admin_views.cases import new_revocation
from portal.programs.models import ModelRelease, RolloutPhase

# By what a case names one of them.
_CRITERIA = {Organization: "organization", RolloutPhase: "phase", ModelRelease: "release"}
_NOTHING = "No key of what you ticked is live; there is nothing to revoke."


@admin.action(description="Revoke selected keys…", permissions=["revoke"])
def revoke_selected(desk: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
    """Carry the live keys of what was ticked."""
    kids = selectors.selected_kids(rows)
    if len(kids) > targets.MOST_KIDS:
        most = f"{targets.MOST_KIDS:,}"
        messages.error(request, f"More than {most} keys. Choose by release or phase instead.")
        return None
    if not kids:
        messages.error(request, _NOTHING)
        return None
    return new_revocation(cast("SignedInRequest", request), {"kids": kids})


@admin.action(description="Revoke keys of selected…", permissions=["revoke"])
def revoke_keys_of_selected(desk: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
    """The case names them, so that keys that come to them meanwhile are meant as well."""
    refs = list(rows.order_by("pk").values_list("ref", flat=True)[: targets.MOST_VALUES + 1])
    criterion = _CRITERIA[rows.model]
    if len(refs) > targets.MOST_VALUES:
        messages.error(request, f"Tick {targets.MOST_VALUES:,} at most. Choose by release instead.")
        return None
    if len(refs) == 1:
        asked = urlencode({criterion: refs[0]})
        return HttpResponseRedirect(f"{reverse('admin:credentials_revocation_add')}?{asked}")
    if not selectors.live_keys_under(rows).exists():
        messages.error(request, _NOTHING)
        return None
    return new_revocation(cast("SignedInRequest", request), {criterion: refs})


def give_to_lists_of_others() -> None:
    """Once, when the admin is put together; those rooms' own lists are there by then."""
    for model in _CRITERIA:
        desk: Any = admin.site.get_model_admin(model)
        desk.actions = [*(desk.actions or ()), revoke_keys_of_selected]
