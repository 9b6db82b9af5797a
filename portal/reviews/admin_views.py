"""The staff's buttons on an application: each asks first, then calls one service."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpResponse

from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.credentials.selectors import places_taken
from portal.reviews import casefile, forms, policies, services
from portal.reviews.models import ConflictOfInterest

View = Callable[[SignedInRequest, Application], HttpResponse]


def _read(application: Application) -> dict[str, int]:
    """What a page says was read: the revision that stands in the file while it is made."""
    latest = application.revisions.first()
    return {"revision": latest.number if latest else 0}


def _reads(view: View) -> View:
    """These pages show what stands in the file, so a tie keeps a person from them too."""

    @wraps(view)
    def guarded(request: SignedInRequest, application: Application) -> HttpResponse:
        policies.can_read_file(request.user, application).enforce()
        return view(request, application)

    return guarded


@_reads
def take(request: SignedInRequest, application: Application) -> HttpResponse:
    assignment = getattr(application, "assignment", None)
    holder = assignment.reviewer if assignment else None
    form = forms.TakeForm(posted(request), initial={"holder": holder.ref if holder else ""})
    return confirm(
        request,
        application,
        title=f"Take over {application.ref}?" if holder else f"Take {application.ref}?",
        template="admin/reviews/take.html",
        form=form,
        act=lambda: services.take_application(
            application_id=application.pk,
            by=request.user,
            from_colleague=bool(holder and form.cleaned_data["holder"] == holder.ref),
        ),
        done=f"You have {application.ref}.",
        context={"holder": holder},
    )


@_reads
def review(request: SignedInRequest, application: Application) -> HttpResponse:
    form = forms.ReviewForm(posted(request), initial=_read(application))
    return confirm(
        request,
        application,
        title=f"Review {application.ref}",
        template="admin/reviews/review.html",
        form=form,
        act=lambda: services.record_review(
            application_id=application.pk,
            revision=form.cleaned_data["revision"],
            recommendation=form.cleaned_data["recommendation"],
            scores=form.scores,
            comment=form.cleaned_data["comment"],
            by=request.user,
        ),
        done=f"Your review of {application.ref} is recorded.",
    )


@_reads
def request_changes(request: SignedInRequest, application: Application) -> HttpResponse:
    form = forms.RequestChangesForm(
        posted(request), application=application, initial=_read(application)
    )
    return confirm(
        request,
        application,
        title=f"Ask for changes to {application.ref}",
        template="admin/reviews/request_changes.html",
        form=form,
        act=lambda: services.request_changes(
            application_id=application.pk,
            revision=form.cleaned_data["revision"],
            notes=form.notes,
            by=request.user,
        ),
        done=f"{application.ref} is back with the applicant, who has been written to.",
        context={"days": services.ANSWER_CHANGES_WITHIN.days},
    )


@_reads
def approve(request: SignedInRequest, application: Application) -> HttpResponse:
    asked = casefile.capabilities(application, list(application.revisions.all()[:1]))
    choices = [
        (each.scope, f"{each.scope} ({each.capability.get_tier_display().lower()})")
        for each in asked
        if each.within and each.capability
    ]
    form = forms.ApproveForm(posted(request), choices=choices, initial=_read(application))
    return confirm(
        request,
        application,
        title=f"Approve {application.ref}?",
        template="admin/reviews/approve.html",
        form=form,
        act=lambda: services.approve_application(
            application_id=application.pk,
            revision=form.cleaned_data["revision"],
            scopes=form.cleaned_data["scopes"],
            text=form.cleaned_data["text"],
            by=request.user,
        ),
        done=f"{application.ref} is approved.",
        context={
            **casefile.outlook(application),
            "above": [each for each in asked if not each.within],
            "offer_days": services.TAKE_OFFER_WITHIN.days,
        },
    )


@_reads
def decline(request: SignedInRequest, application: Application) -> HttpResponse:
    form = forms.DeclineForm(posted(request), initial=_read(application))
    return confirm(
        request,
        application,
        title=f"Decline {application.ref}?",
        template="admin/reviews/decline.html",
        form=form,
        act=lambda: services.decline_application(
            application_id=application.pk, by=request.user, **form.cleaned_data
        ),
        done=f"{application.ref} is declined; the applicant has been written to.",
        context={"final": application.status == ApplicationStatus.APPEALED},
    )


@_reads
def waitlist(request: SignedInRequest, application: Application) -> HttpResponse:
    form = forms.WaitlistForm(posted(request), initial=_read(application))
    return confirm(
        request,
        application,
        title=f"Put {application.ref} on the waiting list?",
        template="admin/reviews/waitlist.html",
        form=form,
        act=lambda: services.waitlist_application(
            application_id=application.pk, by=request.user, **form.cleaned_data
        ),
        done=f"{application.ref} is on the waiting list; the applicant has been written to.",
        context={"taken": places_taken(application.phase)},
    )


@_reads
def reply(request: SignedInRequest, application: Application) -> HttpResponse:
    form = forms.ReplyForm(posted(request))
    return confirm(
        request,
        application,
        title=f"Write to {application.applicant}",
        template="admin/reviews/reply.html",
        form=form,
        act=lambda: services.reply_to_applicant(
            application_id=application.pk, body=form.cleaned_data["body"], by=request.user
        ),
        done="Sent. The applicant is told by mail.",
        context={"thread": application.messages.select_related("author")},
    )


def declare_conflict(request: SignedInRequest, application: Application) -> HttpResponse:
    """Open to those with a tie as well: that is what it is for."""
    form = forms.DeclareConflictForm(posted(request))
    return confirm(
        request,
        application,
        title=f"Declare a conflict of interest in {application.ref}",
        template="admin/reviews/declare_conflict.html",
        form=form,
        act=lambda: services.declare_conflict(
            application_id=application.pk, by=request.user, **form.cleaned_data
        ),
        done="Declared. You are kept out of this application until a decider has looked at it.",
    )


def resolve_conflict(request: SignedInRequest, conflict: ConflictOfInterest) -> HttpResponse:
    form = forms.ResolveConflictForm(posted(request))
    return confirm(
        request,
        conflict,
        title=f"Resolve the conflict of {conflict.person} in {conflict.application}",
        template="admin/reviews/resolve_conflict.html",
        form=form,
        act=lambda: services.resolve_conflict(
            conflict_id=conflict.pk, by=request.user, **form.cleaned_data
        ),
        done=f"{conflict.ref} is resolved.",
        back=conflict.application,
    )
