"""What staff do to ticked rows: all of it leads to the page that previews a revocation.

Organisations and phases belong to rooms that know nothing of keys, so their lists are given the
action from here.
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
from portal.programs.models import RolloutPhase

# By what a case names one of them.
_CRITERIA = {Organization: "organization", RolloutPhase: "phase"}
_KEYS_OF_NOW = (
    "These are the keys that the {} you ticked have now. Keys that come later are not meant: to"
    " catch those too, freeze each, or make a case for each."
)


@admin.action(description="Revoke selected keys…", permissions=["revoke"])
def revoke_selected(desk: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
    """Carry the live keys of what was ticked."""
    kids = selectors.selected_kids(rows)
    if len(kids) > targets.MOST_KIDS:
        most = f"{targets.MOST_KIDS:,}"
        messages.error(request, f"More than {most} keys. Choose by release or phase instead.")
        return None
    if not kids:
        messages.error(request, "No key of what you ticked is live; there is nothing to revoke.")
        return None
    return new_revocation(cast("SignedInRequest", request), kids)


@admin.action(description="Revoke keys of selected…", permissions=["revoke"])
def revoke_keys_of_selected(desk: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
    """Of one the case names it, so that keys to come are meant as well; of several their keys."""
    some = list(rows[:2])
    if len(some) != 1:
        answer = revoke_selected(desk, request, rows)
        if answer is not None:
            messages.warning(request, _KEYS_OF_NOW.format(rows.model._meta.verbose_name_plural))
        return answer
    asked = urlencode({_CRITERIA[rows.model]: some[0].ref})
    return HttpResponseRedirect(f"{reverse('admin:credentials_revocation_add')}?{asked}")


def give_to_lists_of_others() -> None:
    """Once, when the admin is put together; those rooms' own lists are there by then."""
    for model in _CRITERIA:
        desk: Any = admin.site.get_model_admin(model)
        desk.actions = [*(desk.actions or ()), revoke_keys_of_selected]
