"""How many keys the form of a new case names as it stands, told while somebody fills it in."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.requests import SignedInRequest
from portal.credentials import policies
from portal.credentials.admin_forms import CRITERIA, SelectorForm
from portal.credentials.targets import as_rows, live_credentials
from portal.errors import DomainError

_NOTHING_NAMED = "No key is named yet. The lines of a file are counted at the preview."


@never_cache
@require_POST
@sensitive_post_parameters("kids", "note", "exclusions")
def count_keys(request: SignedInRequest) -> HttpResponse:
    """Asked for by htmx, which leaves out the file: it may be large, and this is asked often."""
    if not policies.can_revoke_in_bulk(request.user):
        raise PermissionDenied
    form = SelectorForm(request.POST)
    form.is_valid()  # what is still empty is no reason not to count
    answer = {"odd": form.odd_words, **_counted(form)}
    return TemplateResponse(request, "admin/credentials/parts/count.html", answer)


def _counted(form: SelectorForm) -> dict[str, Any]:
    """As the preview would count: without the keys to leave alive, and nothing while a criterion
    cannot be read, because the others alone name more.
    """
    wrong = [form.errors[name][0] for name in CRITERIA if name in form.errors]
    if wrong:
        return {"error": wrong[0]}
    if form.lists_kids and not form.selector.kids:
        return {"error": "None of these is a key of ours."}
    try:
        hit = live_credentials(form.selector, rehearsal=bool(form.cleaned_data.get("rehearsal")))
        spared = as_rows(form.cleaned_data.get("exclusions", ()))
        alive = hit.filter(kid__in=spared).count()
        counted = hit.exclude(kid__in=spared).aggregate(
            keys=Count("pk"), holders=Count("grant__holder", distinct=True)
        )
    except DomainError as error:
        return {"error": _NOTHING_NAMED if error.code == "selector_empty" else error.message}
    return {
        **counted,
        "alive": alive,
        "beside": len(form.cleaned_data.get("exclusions", ())) - alive,
    }
