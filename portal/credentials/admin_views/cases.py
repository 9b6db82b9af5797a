"""A case of revocation: choose, look at the preview, confirm, follow, read the report.

One address serves a case through its whole life, so a reload or another tab always shows where
it stands.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.reauthentication import fresh_sign_in_required, is_fresh
from accounts.requests import SignedInRequest
from portal.admin_buttons import confirm, object_url
from portal.credentials import case_items, case_report, case_threads, casebook, policies, services
from portal.credentials.admin_forms import ConfirmForm, SelectorForm, filled_in
from portal.credentials.admin_views.lists import ask_for_keys, list_of
from portal.credentials.admin_views.pages import confirm_as_shown, csv_file, page
from portal.credentials.case_letter import mails_before
from portal.credentials.case_standing import standing_of
from portal.credentials.contained import is_spent
from portal.credentials.enums import RevocationStatus
from portal.credentials.headway import heading, headway, is_under_way, told_at
from portal.credentials.lifecycle import REVOCATION_EVENT
from portal.credentials.models import Revocation
from portal.credentials.proof import (
    door_proofs,
    may_be_late,
    proof_report,
    proof_rows,
    seconds_to_zero,
    still_to_do,
)
from portal.credentials.reissue_policies import can_reissue
from portal.credentials.targets import THINGS, Selector, unseen_keys
from portal.errors import DomainError
from portal.form_errors import tell
from portal.mail.selectors import failing_mails
from portal.webhooks.selectors import failing_about, told_about

PER_PAGE = 50
_ASKED = REVOCATION_EVENT[RevocationStatus.AWAITING_SECOND]
_OF_THE_CASE = ("title", "severity", "reason", "note", "exclusions", "rehearsal")


@never_cache
@sensitive_post_parameters("kids", "note", "exclusions")
def new_revocation(
    request: SignedInRequest, ticked: dict[str, list[str]] | None = None
) -> HttpResponse:
    """Choose the keys. What was `ticked` in a list comes by criterion; otherwise the address may
    say what to fill in: `?organization=ORG-…`, or `?again=CASE-…` for an expired preview.
    """
    if not policies.can_revoke_in_bulk(request.user):
        raise PermissionDenied
    asked = request.method == "POST" and ticked is None
    initial = filled_in(ticked) if ticked else {} if asked else _asked_for(request)
    form = SelectorForm(
        request.POST if asked else None, request.FILES if asked else None, initial=initial
    )
    status = 200
    if asked and form.is_valid():
        try:
            case = services.preview_revocation(
                selector=form.selector,
                by=request.user,
                listed=form.listed,
                **{name: form.cleaned_data[name] for name in _OF_THE_CASE},
            )
        except DomainError as error:
            status = tell(form, error)
        else:
            return HttpResponseRedirect(object_url(case))
    return ask_for_keys(request, form, status)


def _asked_for(request: SignedInRequest) -> dict[str, Any]:
    earlier = Revocation.objects.filter(ref=request.GET.get("again", "")).first()
    if earlier is None:
        return filled_in({name: request.GET.getlist(name) for name in THINGS})
    return {
        **Selector.from_json(earlier.selector).given,
        **filled_in(earlier.selector),
        **{name: getattr(earlier, name) for name in _OF_THE_CASE if name != "exclusions"},
        "exclusions": "\n".join(_still_spared(request, earlier)),
    }


def _still_spared(request: SignedInRequest, earlier: Revocation) -> list[str]:
    """Keys that died since need no sparing, and a preview refuses them: the page says so."""
    spared = list(earlier.exclusions.select_related("credential"))
    dead = [each.credential.kid for each in spared if not each.credential.is_live]
    if dead:
        shown = ", ".join(dead[:5]) + (f" and {len(dead) - 5:,} more" if len(dead) > 5 else "")
        messages.info(request, f"Dead by now, so taken out of the keys to leave alive: {shown}.")
    return [f"{each.credential.kid} {each.reason}" for each in spared if each.credential.is_live]


@never_cache
def show_case(
    request: SignedInRequest,
    case: Revocation,
    form: ConfirmForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Preview, progress or report, whichever the case has come to."""
    items = Paginator(case_items.items_of(case), PER_PAGE)
    followed = _headway(request, case)
    items.count = case.count  # every frozen key is an item, and none is ever added
    standing, spent = standing_of(case), is_spent(case)
    overview = case_report.overview(case, followed["headway"], spent=spent)
    shown = {
        "title": f"{case.ref}: {standing.words.lower()}",
        "case": case,
        "standing": standing,
        "spent": spent,
        "unseen": _unseen(case) if spent else 0,
        **overview,
        "post": mails_before(case, overview["figures"].mails_to),
        "items": items.get_page(request.GET.get("page")),
        "entries": casebook.case_timeline(case),
        "deciding": bool(policies.can_decide_revocation(request.user, case)),
        "may_revoke": bool(policies.can_revoke_in_bulk(request.user)),
        "may_contain": policies.can_contain_revocation(request.user, case),
        "may_cancel": policies.can_cancel_revocation(request.user, case),
        **_second(request, case),
        "form": form or ConfirmForm(case=case),
        "fresh": is_fresh(request),
        **_proof(request, case, followed),
        **followed,
        **list_of(case),
        "answered": case_threads.threads_of(case)[:5] if case.confirmed_at else [],
        "unread": case_threads.unread_in(case) if case.confirmed_at else 0,
        "reissues": case.reissues.select_related("previewed_by"),
        "may_reissue": can_reissue(request.user, case),
    }
    return page(request, "admin/credentials/case.html", shown, status)


def _unseen(case: Revocation) -> int:
    """How many keys confirming the case would be refused for."""
    try:
        return unseen_keys(case).count()
    except DomainError:  # what it was chosen by has another name now: there is no new preview of it
        return 0


def _second(request: SignedInRequest, case: Revocation) -> dict[str, Any]:
    """Whether the reader can be the second of two, and how well the first is known."""
    approving = bool(policies.can_approve_revocation(request.user, case))
    return {
        "approving": approving,
        "asked_from_a_shell": approving and casebook.from_a_shell(case, _ASKED),
    }


def _proof(request: SignedInRequest, case: Revocation, followed: dict[str, Any]) -> dict[str, Any]:
    proofs, done = door_proofs(case), followed["headway"]
    return {
        "proofs": proofs,
        "zero": seconds_to_zero(proofs),
        "late": may_be_late(),
        "to_do": still_to_do(case, done, followed["machines"], proofs) if done else [],
        "may_prove": bool(policies.can_prove_revocation(request.user, case)),
    }


@never_cache
def show_headway(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """The part of the page that changes while workers tell the holders, asked for by htmx."""
    followed = _headway(request, case)
    answer = TemplateResponse(
        request, "admin/credentials/parts/headway.html", {"case": case, **followed}
    )
    seen = request.GET.get("seen", case.status)
    if not followed["under_way"] or seen != case.status:
        answer["HX-Refresh"] = "true"  # the whole page is another
    return answer


def _headway(request: SignedInRequest, case: Revocation) -> dict[str, Any]:
    if not case.confirmed_at:
        return {"headway": None, "under_way": False}
    done, machines = headway(case), told_about(case.ref)
    under_way = is_under_way(case, done)
    return {
        "headway": done,
        "words": heading(case, done),
        "told_at": told_at(case, done),
        "under_way": under_way,
        "may_pause": bool(policies.can_pause_revocation(request.user, case)),
        "may_resume": bool(policies.can_resume_revocation(request.user, case)),
        "failing": case_report.failing(case)[:PER_PAGE] if under_way else [],
        "failing_mails": failing_mails(case.ref)[:PER_PAGE],
        "machines": machines,
        "failing_machines": failing_about(case.ref)[:PER_PAGE] if machines.undelivered else [],
    }


@never_cache
@fresh_sign_in_required
def confirm_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """Dead when this answers, unless a second person is needed."""
    return _confirm(request, case, services.start_revocation)


@never_cache
@fresh_sign_in_required
def approve_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    """The second person: dead when this answers."""

    def second(*, beyond_cap: str = "", **typed: Any) -> Revocation:
        return services.approve_revocation(**typed)  # a form filled in before the first confirmed

    return _confirm(request, case, second)


def _confirm(
    request: SignedInRequest, case: Revocation, service: Callable[..., Revocation]
) -> HttpResponse:
    return confirm_as_shown(
        request,
        case,
        form=partial(ConfirmForm, case=case),
        act=partial(service, revocation_id=case.pk),
        show=show_case,
        told=_told,
    )


def _told(case: Revocation) -> str:
    if case.status == RevocationStatus.AWAITING_SECOND:
        return f"{case}: confirmed by you. Now it takes somebody else; nothing is revoked yet."
    return f"{case}: the keys are dead. Workers now tell their holders."


def contain_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    return confirm(
        request,
        case,
        title=f"Contain {case.count:,} keys?",
        template="admin/credentials/contain_revocation.html",
        act=lambda: services.contain_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case}: every gateway refuses these keys now. Decide calmly: revoke, or let go.",
    )


def cancel_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    spent = is_spent(case)
    return confirm(
        request,
        case,
        title=_cancelled(case, spent),
        template="admin/credentials/cancel_revocation.html",
        act=lambda: services.cancel_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case} is closed. Its keys stay dead."
        if spent
        else f"{case} is cancelled. Nothing was revoked.",
        context={
            "from_a_shell": casebook.from_a_shell(case, "revocation.contained"),
            "spent": spent,
        },
    )


def _cancelled(case: Revocation, spent: bool) -> str:
    if spent:
        return f"Close {case}?"
    return f"Let the keys of {case} go?" if case.is_contained else f"Put {case} away?"


def pause_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    return confirm(
        request,
        case,
        title=f"Pause telling for {case}?",
        template="admin/credentials/pause_revocation.html",
        act=lambda: services.pause_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case}: nobody is told for now. The keys stay dead.",
    )


def resume_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    return confirm(
        request,
        case,
        title=f"Go on telling for {case}?",
        template="admin/credentials/resume_revocation.html",
        act=lambda: services.resume_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case}: workers go on telling.",
    )


def prove_revocation(request: SignedInRequest, case: Revocation) -> HttpResponse:
    return confirm(
        request,
        case,
        title=f"Ask every door about the keys of {case}?",
        template="admin/credentials/prove_revocation.html",
        act=lambda: services.prove_revocation(revocation_id=case.pk, by=request.user),
        done=f"{case}: every door was asked about every key.",
    )


def report_case(request: SignedInRequest, case: Revocation) -> JsonResponse:
    """The whole of a case for a machine, or for an archive."""
    answer = JsonResponse(proof_report(case), json_dumps_params={"indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="{case.ref}.json"'
    answer["Cache-Control"] = "no-store"
    return answer


def export_doors(request: SignedInRequest, case: Revocation) -> StreamingHttpResponse:
    """One line a door: what it answered, and when it had refused every key."""
    return csv_file(f"{case.ref}-doors", proof_rows(case))


def export_case(request: SignedInRequest, case: Revocation) -> StreamingHttpResponse:
    """One line a key."""
    return csv_file(case.ref, case_items.export(case))
