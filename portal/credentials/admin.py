"""Grants, keys and cases of revocation, for staff: to look at, with a button for each act."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from accounts.requests import SignedInRequest, signed_in
from portal.admin_buttons import Addressed, Button
from portal.admin_lists import pill
from portal.credentials import admin_views, case_report, casebook, policies, selectors
from portal.credentials.admin_cells import NONE, day, element, judged, scopes, two_lines
from portal.credentials.admin_desk import REVOKE, Desk
from portal.credentials.admin_filters import (
    ContainedFilter,
    CredentialStatusFilter,
    ExpiryFilter,
    GrantStatusFilter,
    KindFilter,
    PartnerFilter,
    PartnerOfKeyFilter,
    PhaseFilter,
    PhaseOfKeyFilter,
    ReasonFilter,
    RehearsalFilter,
    RevocationStatusFilter,
)
from portal.credentials.admin_freezes import FreezeAdmin
from portal.credentials.admin_reissues import ReissueAdmin
from portal.credentials.admin_views.actions import give_to_lists_of_others, revoke_selected
from portal.credentials.case_standing import standings_of
from portal.credentials.enums import KeyKind
from portal.credentials.models import Credential, Freeze, Grant, Reissue, Revocation
from portal.credentials.proof import times_to_zero
from portal.credentials.reissue_policies import can_reissue
from portal.credentials.usage import use_of

admin.site.register(Freeze, FreezeAdmin)
admin.site.register(Reissue, ReissueAdmin)
give_to_lists_of_others()


class _JudgedGrants(Addressed):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        casebook.judge_grants(self.result_list)


class _TimedCases(Addressed):
    """With where they stand, how long it took until every door refused every key, and what they
    were chosen by.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = cases = list(self.result_list)
        times, standings = times_to_zero(cases), standings_of(cases)
        for case in cases:
            case.zero, case.standing = times[case.pk], standings[case.pk]
        names = case_report.names_in(cases)
        for case in cases:
            case.chosen = case_report.in_words(case, names)


class _JudgedKeys(Addressed):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        casebook.judge_keys(self.result_list)


@admin.register(Grant)
class GrantAdmin(Desk):
    found = selectors.search_grants
    change_form_template = "admin/credentials/grant.html"
    search_help_text = "A reference, a key id, or part of a name, an address or an organisation"
    list_display = ("ref_cell", "who", "scopes_cell", "standing", "enforced", "keys", "until")
    list_display_links = ("ref_cell",)
    list_filter = (GrantStatusFilter, PhaseFilter, PartnerFilter)
    actions = (revoke_selected,)
    buttons = (
        Button(
            "suspend", "Suspend…", admin_views.suspend_grant, REVOKE, policies.can_suspend_grant
        ),
        Button("resume", "Resume…", admin_views.resume_grant, REVOKE, policies.can_resume_grant),
        Button(
            "retry",
            "Prepare the key again…",
            admin_views.retry_activation,
            REVOKE,
            policies.can_retry_activation,
        ),
        Button(
            "allow_new_keys",
            "Allow new keys…",
            admin_views.allow_new_keys,
            REVOKE,
            policies.can_allow_new_keys,
        ),
        Button(
            "revoke",
            "Revoke grant…",
            admin_views.revoke_grant,
            REVOKE,
            policies.can_revoke_grant,
            danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        related = ("holder", "organization", "phase__release", "application")
        return super().get_queryset(request).select_related(*related)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_JudgedGrants]:
        return _JudgedGrants

    def contents(self, obj: Any) -> dict[str, Any]:
        casebook.judge_grants([obj])
        for key, said in obj.keys:
            key.judgement = casebook.judge_key(key, said)
        return {
            "grant": obj,
            "keys": [key for key, _said in obj.keys],
            "use": use_of([obj])[obj.pk],
            "entries": casebook.grant_timeline(obj),
        }

    @admin.display(description="Grant")
    def ref_cell(self, grant: Grant) -> str:
        return two_lines(grant.ref, grant.phase.name)

    @admin.display(description="Holder")
    def who(self, grant: Grant) -> str:
        return two_lines(grant.holder, grant.organization or "Individual")

    @admin.display(description="May")
    def scopes_cell(self, grant: Grant) -> str:
        return scopes(grant.scopes)

    @admin.display(description="Approved")
    def standing(self, grant: Grant) -> str:
        return pill(grant.status, grant.get_status_display())

    @admin.display(description="Enforced")
    def enforced(self, grant: Any) -> str:
        return judged(grant.judgement)

    @admin.display(description="Live keys")
    def keys(self, grant: Any) -> str:
        return str(grant.live) if grant.live else NONE

    @admin.display(description="Until")
    def until(self, grant: Grant) -> str:
        return day(grant.ends_at)


@admin.register(Credential)
class CredentialAdmin(Desk):
    public_id = "kid"
    found = selectors.search_credentials
    change_form_template = "admin/credentials/key.html"
    search_help_text = "A key id, a whole key, a reference, or part of a name or an address"
    list_display = ("kid_cell", "who", "phase_cell", "standing", "enforced", "used", "expires")
    list_display_links = ("kid_cell",)
    list_filter = (
        CredentialStatusFilter,
        KindFilter,
        ExpiryFilter,
        PhaseOfKeyFilter,
        PartnerOfKeyFilter,
    )
    actions = (revoke_selected,)
    buttons = (
        Button(
            "revoke",
            "Revoke key…",
            admin_views.revoke_credential,
            REVOKE,
            policies.can_revoke_live_credential,
            danger=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        related = ("grant__holder", "grant__organization", "grant__phase__release")
        rows = super().get_queryset(request).defer("digest")
        more = ("grant__application", "revoked_by", "claimed_by", "use", "replaces")
        return rows.select_related(*related, *more)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_JudgedKeys]:
        return _JudgedKeys

    def contents(self, obj: Credential) -> dict[str, Any]:
        casebook.judge_keys([obj])
        cases: list[Any] = list(Revocation.objects.filter(items__credential=obj).defer("selector"))
        standings = standings_of(cases)
        for case in cases:
            case.standing = standings[case.pk]
        return {
            "key": obj,
            "entries": casebook.key_timeline(obj),
            "cases": cases,
            "replacements": obj.replaced_by.defer("digest"),
        }

    @admin.display(description="Key")
    def kid_cell(self, credential: Credential) -> str:
        test = "Test" if credential.kind == KeyKind.TEST else ""
        called = ", ".join(filter(None, (test, credential.name)))
        named = format_html('<br><span class="soft">{}</span>', called) if called else ""
        return format_html("<code>{}</code>{}", credential.kid, named)

    @admin.display(description="Holder")
    def who(self, credential: Credential) -> str:
        return two_lines(credential.grant.holder, credential.grant.organization or "Individual")

    @admin.display(description="Grant")
    def phase_cell(self, credential: Credential) -> str:
        return two_lines(credential.grant.ref, credential.grant.phase.name)

    @admin.display(description="Status")
    def standing(self, credential: Credential) -> str:
        return pill(credential.status, credential.get_status_display())

    @admin.display(description="Enforced")
    def enforced(self, credential: Any) -> str:
        return judged(credential.judgement)

    @admin.display(description="Last used")
    def used(self, credential: Credential) -> str:
        return day(credential.last_used_at)

    @admin.display(description="Expires")
    def expires(self, credential: Credential) -> str:
        return day(credential.expires_at)


@admin.register(Revocation)
class RevocationAdmin(Desk):
    found = selectors.search_revocations
    search_help_text = "A case's reference, part of its title, or a key id"
    list_display = (
        *("ref_cell", "chosen_by", "count_cell", "severity_cell", "standing"),
        *("zero_cell", "who", "when"),
    )
    list_display_links = ("ref_cell",)
    list_filter = (RevocationStatusFilter, ContainedFilter, ReasonFilter, RehearsalFilter)
    actions = None
    buttons = (
        Button(
            "confirm",
            "Revoke…",
            admin_views.confirm_revocation,
            REVOKE,
            policies.can_decide_revocation,
            danger=True,
        ),
        Button(
            "approve",
            "Confirm as the second…",
            admin_views.approve_revocation,
            REVOKE,
            policies.can_approve_revocation,
            danger=True,
        ),
        Button(
            "contain",
            "Contain…",
            admin_views.contain_revocation,
            REVOKE,
            policies.can_contain_revocation,
        ),
        Button(
            "cancel",
            "Put away…",
            admin_views.cancel_revocation,
            REVOKE,
            policies.can_cancel_revocation,
        ),
        Button(
            "prove",
            "Ask every door…",
            admin_views.prove_revocation,
            REVOKE,
            policies.can_prove_revocation,
        ),
        Button(
            "pause",
            "Pause telling…",
            admin_views.pause_revocation,
            REVOKE,
            policies.can_pause_revocation,
        ),
        Button(
            "resume",
            "Go on telling…",
            admin_views.resume_revocation,
            REVOKE,
            policies.can_resume_revocation,
        ),
        Button("reissue", "Re-issue…", admin_views.new_reissue, REVOKE, can_reissue),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).defer("note")
        return rows.select_related("requested_by", "confirmed_by")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                address,
                self.admin_site.admin_view(view),
                name=f"credentials_revocation_{name}",
            )
            for address, name, view in admin_views.OF_A_NEW_CASE
        ]
        own += [
            path(
                f"<path:object_id>/{address}",
                self.admin_site.admin_view(self._of_case(view)),
                name=f"credentials_revocation_{name}",
            )
            for address, name, view in admin_views.OF_A_CASE
        ]
        return [*own, *super().get_urls()]

    def _of_case(self, view: Callable[..., Any]) -> Callable[..., HttpResponse]:
        """Hand the view its case, for those who may see cases."""

        def guarded(request: HttpRequest, object_id: str) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            case = self.get_object(request, unquote(object_id))
            if case is None:
                raise Http404
            return view(request, case)

        return guarded

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._of_case(admin_views.show_case)(request, object_id)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return admin_views.new_revocation(cast("SignedInRequest", request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_TimedCases]:
        return _TimedCases

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(policies.can_revoke_in_bulk(signed_in(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(policies.can_view_revocations(signed_in(request)))

    @admin.display(description="Case")
    def ref_cell(self, case: Revocation) -> str:
        return case.ref

    @admin.display(description="Keys of")
    def chosen_by(self, case: Any) -> str:
        """Lists of kids may be long: their number is told."""
        named = f"{'Drill. ' if case.rehearsal else ''}{case.title}".strip()
        return two_lines(named, case.chosen) if named else case.chosen

    @admin.display(description="Keys")
    def count_cell(self, case: Revocation) -> str:
        return f"{case.count:,}"

    @admin.display(description="Severity")
    def severity_cell(self, case: Revocation) -> str:
        """Its name; what it means stands on the case's page."""
        return case.get_severity_display().partition(":")[0]

    @admin.display(description="Status")
    def standing(self, case: Any) -> str:
        return pill(case.standing.status, case.standing.words)

    @admin.display(description="Time to zero")
    def zero_cell(self, case: Any) -> str:
        return NONE if case.zero is None else f"{case.zero:,.1f} s"

    @admin.display(description="By")
    def who(self, case: Revocation) -> str:
        return str(case.confirmed_by or case.requested_by)

    @admin.display(description="When")
    def when(self, case: Revocation) -> str:
        return element("time", moment=case.confirmed_at or case.requested_at)
