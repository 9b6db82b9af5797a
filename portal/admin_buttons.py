"""Buttons on a thing's page in the admin, each with a confirm page, behind a permission.

In `admin.py`, a declaration:

    class UserAdmin(WithButtons, admin.ModelAdmin):
        buttons = (
            Button(
                "suspend", "Suspend…", admin_views.suspend_user,
                permission="accounts.suspend_user", policy=policies.can_suspend_user,
            ),
        )

In `admin_views.py`, one function a button; GET asks, POST calls one service:

    def suspend_user(request: HttpRequest, user: User) -> HttpResponse:
        return confirm(
            request, user, title=f"Suspend {user}?", template="admin/accounts/suspend_user.html",
            act=lambda: services.suspend_user(user_id=user.pk, by=request.user),
            done=f"{user.ref} is suspended.",
        )

The page extends `admin/confirm.html`. Somebody without the permission sees no button and gets
403 on GET and POST; where the policy says no the button is shown switched off, with the reason.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from portal.admin_lists import Listed, Offered
from portal.errors import DomainError
from portal.form_errors import tell
from portal.verdict import Verdict, allow

_INTEGER = re.compile(r"\d+")
_ROW = re.compile(r"[0-9]{1,18}")  # by which a list names what is ticked


@dataclass(frozen=True, slots=True)
class Button:
    """`verb` stands in the address, `<object>/<verb>/`, named `admin:<app>_<model>_<verb>`.

    Of several permissions any one opens it; the policy is finer.
    """

    verb: str
    label: str
    view: Callable[..., HttpResponse]
    permission: str | tuple[str, ...]
    policy: Callable[[Any, Any], Verdict]
    danger: bool = False

    def is_open_to(self, user: Any) -> bool:
        names = (self.permission,) if isinstance(self.permission, str) else self.permission
        return any(user.has_perm(name) for name in names)


@dataclass(frozen=True, slots=True)
class Link:
    """A button that leads to a page of another room. `address` is that page's name; the thing the
    button stands on is named to it as `?level=<level>&target=<its public id>`.
    """

    label: str
    address: str
    level: str
    permission: str
    danger: bool = False

    def url(self, public_id: str) -> str:
        return f"{reverse(self.address)}?{urlencode({'level': self.level, 'target': public_id})}"


class ReadOnly:
    """Nobody adds, changes or deletes these by hand: each change is a button, or made elsewhere.

    Mix in before ModelAdmin or an inline.
    """

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Addressed(Offered):
    """Links each row by its public reference."""

    def url_for_result(self, result: Model) -> str:
        return object_url(result, getattr(self.model_admin, "public_id", "pk"))


class PublicIds(Listed):
    """Public references in addresses instead of integer ids."""

    public_id: ClassVar[str] = "ref"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Addressed

    def response_action(
        self, request: HttpRequest, queryset: QuerySet, *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """None leads back to the list. Django would fail on a ticked row that is no number."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if all(_ROW.fullmatch(each) for each in ticked):
            return super().response_action(request, queryset, *args, **kwargs)
        messages.error(request, "Nothing was done: what was ticked is no row of this list.")
        return None

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        if "\x00" in object_id:  # no address holds one, and PostgreSQL refuses to look for it
            return None
        if from_field or _INTEGER.fullmatch(object_id):  # where Django itself links
            return super().get_object(request, object_id, from_field)
        # Not `first`: to put one row in order costs as much as to find it.
        found = self.get_queryset(request).filter(**{self.public_id: object_id}).order_by()[:1]
        return next(iter(found), None)


class WithButtons(PublicIds):
    """Draws `buttons` and `links` on the object's page and routes to the buttons."""

    buttons: ClassVar[Sequence[Button]] = ()
    links: ClassVar[Sequence[Link]] = ()

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Of the action on ticked rows that leads to a case of revocation, where a list has it."""
        user: Any = request.user
        return bool(user.has_perm("credentials.revoke_credentials"))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(f"<path:object_id>/{b.verb}/", self._guarded(b), name=f"{name}_{b.verb}")
            for b in self.buttons
        ]
        return own + super().get_urls()

    def _guarded(self, button: Button) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if not button.is_open_to(request.user):
                raise PermissionDenied
            obj = self.get_object(request, unquote(object_id))
            if obj is None:
                raise Http404
            verdict = button.policy(request.user, obj)
            if not verdict and request.method != "POST":  # the service refuses a POST itself
                messages.error(request, verdict.reason)
                return HttpResponseRedirect(object_url(obj, self.public_id))
            return button.view(request, obj)

        return update_wrapper(self.admin_site.admin_view(view), button.view)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        context["buttons"] = [] if obj is None else self._drawn(request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def _drawn(self, request: HttpRequest, obj: Model) -> list[dict[str, Any]]:
        drawn: list[dict[str, Any]] = [
            {
                "button": button,
                "verdict": button.policy(request.user, obj),
                "url": object_url(obj, self.public_id, button.verb),
            }
            for button in self.buttons
            if button.is_open_to(request.user)
        ]
        user: Any = request.user
        return drawn + [
            {"button": link, "verdict": allow(), "url": link.url(getattr(obj, self.public_id))}
            for link in self.links
            if user.has_perm(link.permission)
        ]


def freeze_link(level: str) -> Link:
    """To the page that freezes what the button stands on."""
    return Link(
        "Freeze…", "admin:credentials_freeze_add", level, "credentials.freeze_access", danger=True
    )


def object_url(obj: Model, public_id: str = "ref", verb: str = "change") -> str:
    """Return the address of a thing's page in the admin, or of one of its buttons."""
    name = f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{verb}"
    return reverse(name, args=[quote(getattr(obj, public_id, obj.pk))])


def confirm(  # noqa: PLR0913 - what a confirm page declares
    request: HttpRequest,
    obj: Any,
    *,
    title: str,
    template: str,
    act: Callable[[], object],
    done: str,
    form: forms.Form | None = None,
    context: dict[str, Any] | None = None,
    back: Model | None = None,
) -> HttpResponse:
    """Ask on GET, act on POST and go back to the thing's page, or to that of `back`.

    A refusal of the service is told beside the form, which keeps what was typed; without a form
    it is told on the thing's page.
    """
    status, page_url = 200, _page_of(back or obj)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            act()
        except DomainError as error:
            if form is None:
                messages.error(request, error.message)
                return HttpResponseRedirect(page_url)
            status = tell(form, error)
        else:
            messages.success(request, done)
            return HttpResponseRedirect(page_url)
    page = {**admin.site.each_context(request), "title": title, "opts": obj._meta}
    page |= {"object": obj, "object_url": page_url, "form": form, **(context or {})}
    return TemplateResponse(request, template, page, status=status)


def _page_of(obj: Model) -> str:
    """The thing's page, by the public id that its own ModelAdmin declares."""
    return object_url(obj, getattr(admin.site.get_model_admin(type(obj)), "public_id", "pk"))
