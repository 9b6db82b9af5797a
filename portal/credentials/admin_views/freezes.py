"""Freezes: choose what, see how much it stops, place it; ask to lift, lift, keep.

What is searched for is posted, because an address of a person must not stand in one of a page.
Placing asks for no fresh sign-in, because every second counts and it can be taken back; lifting
does.
"""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from accounts.reauthentication import fresh_sign_in_required
from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm, object_url
from portal.credentials import casebook, freeze_policies, levels, services
from portal.credentials.admin_forms import AimForm, FreezeForm
from portal.credentials.levels import LEVELS, Aim
from portal.credentials.models import Freeze
from portal.errors import DomainError, Invalid
from portal.form_errors import tell


@never_cache
def new_freeze(request: SignedInRequest) -> HttpResponse:
    """Two steps at one address: without a target in it one is chosen, with one it is frozen."""
    policies_say = freeze_policies.can_freeze(request.user)
    if not policies_say:
        raise PermissionDenied(policies_say.reason)
    level, target = request.GET.get("level", ""), request.GET.get("target", "")
    if level in LEVELS and (target or LEVELS[level].model is None):
        try:
            return _place(request, levels.find_aim(level, target))
        except Invalid as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(_address())
    return _choose(request, level)


def _choose(request: SignedInRequest, level: str) -> HttpResponse:
    form = AimForm(posted(request), initial={"level": level})
    found: list[Any] = []
    if form.is_valid():
        level, text = form.cleaned_data["level"], form.cleaned_data["text"]
        if LEVELS[level].model is None:
            return HttpResponseRedirect(_address(level=level))
        found = levels.search_targets(level, text)
        if len(found) == 1:
            return HttpResponseRedirect(_address(level=level, target=found[0].ref))
        if not found:
            form.add_error("text", "Nothing like this is known. Try less of it.")
    shown = [(each, _address(level=level, target=each.ref)) for each in found[: levels.MOST_FOUND]]
    page = {"title": "Freeze access", "form": form, "found": shown, "list_url": _list_url()}
    page |= {"more": len(found) > levels.MOST_FOUND, "most": levels.MOST_FOUND}
    status = 400 if form.errors else 200
    return _page(request, "admin/credentials/freeze_choose.html", page, status)


def _place(request: SignedInRequest, aim: Aim) -> HttpResponse:
    form, status = FreezeForm(posted(request)), 200
    if form.is_valid():
        try:
            freeze = services.place_freeze(
                level=aim.level,
                target=aim.ref,
                reason=form.cleaned_data["reason"],
                by=request.user,
            )
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, f"{freeze} is in force: {aim.words}. Doors refuse from now.")
            return HttpResponseRedirect(object_url(freeze))
    elif form.is_bound:
        status = 400
    page = {
        "title": "Freeze access",
        "form": form,
        "aim": aim,
        "stopped": levels.count_stopped(aim),
        "standing": levels.in_force().filter(level=aim.level, target=aim.ref).first(),
        "again_url": _address(),
        "list_url": _list_url(),
    }
    return _page(request, "admin/credentials/freeze_place.html", page, status)


def ask_to_lift(request: SignedInRequest, freeze: Freeze) -> HttpResponse:
    return confirm(
        request,
        freeze,
        title=f"Ask to lift {freeze}?",
        template="admin/credentials/ask_to_lift.html",
        act=lambda: services.ask_to_lift(freeze_id=freeze.pk, by=request.user),
        done=f"Asked. {freeze} stays in force until a colleague lifts it.",
        context=_named(freeze),
    )


@fresh_sign_in_required
def lift_freeze(request: SignedInRequest, freeze: Freeze) -> HttpResponse:
    return confirm(
        request,
        freeze,
        title=f"Lift {freeze}?",
        template="admin/credentials/lift_freeze.html",
        act=lambda: services.lift_freeze(freeze_id=freeze.pk, by=request.user),
        done=f"{freeze} is lifted. What it stopped works again.",
        context=_named(freeze)
        | {
            "stopped": levels.count_stopped(_aim(freeze)),
            "from_a_shell": casebook.from_a_shell(freeze, "freeze.lift_asked"),
        },
    )


def keep_freeze(request: SignedInRequest, freeze: Freeze) -> HttpResponse:
    return confirm(
        request,
        freeze,
        title=f"Keep {freeze} in force?",
        template="admin/credentials/keep_freeze.html",
        act=lambda: services.keep_freeze(freeze_id=freeze.pk, by=request.user),
        done=f"{freeze} stays in force. Lifting it can be asked for again.",
        context=_named(freeze),
    )


def _aim(freeze: Freeze) -> Aim:
    return Aim(freeze.level, freeze.target)


def _named(freeze: Freeze) -> dict[str, Any]:
    return {"words": levels.words_of(freeze)}


def _list_url() -> str:
    return reverse("admin:credentials_freeze_changelist")


def _address(**chosen: str) -> str:
    page = reverse("admin:credentials_freeze_add")
    return f"{page}?{urlencode(chosen)}" if chosen else page


def _page(
    request: SignedInRequest, template: str, page: dict[str, Any], status: int
) -> HttpResponse:
    page |= {**admin.site.each_context(request), "opts": Freeze._meta}
    return TemplateResponse(request, template, page, status=status)
