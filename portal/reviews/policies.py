"""Who may look, who may rule. Nobody decides about themselves or their own organisation."""

from accounts.models import User
from accounts.selectors import organizations_since
from portal.applications.enums import ApplicationStatus as S
from portal.applications.lifecycle import OPEN
from portal.applications.models import Application
from portal.applications.policies import can_be_given, can_send_message
from portal.programs.enums import RiskTier
from portal.programs.selectors import highest_tier
from portal.reviews.enums import ConflictResolution, Recommendation
from portal.reviews.models import Assignment, ConflictOfInterest, Review
from portal.reviews.selectors import current_reviews, deciders_of, latest_revision
from portal.verdict import Verdict, allow, deny

UNDER_REVIEW = frozenset({S.IN_REVIEW, S.APPEALED})
UNDECIDED = UNDER_REVIEW | {S.SUBMITTED, S.CHANGES_REQUESTED}


def barred(user: User, application: Application) -> Verdict:
    """Whether a tie to the application keeps this person out of it; allow() when none does."""
    if application.applicant_id == user.pk:
        return deny("own_application", "This is your own application.")
    if user.pk in _sharing_an_organization([user], application):
        return deny("own_organization", "You belong, or belonged, to the applicant's organisation.")
    if user.pk in _in_conflict([user], application):
        return deny("conflict", "You declared a conflict of interest that has not been waived.")
    return allow()


def _tied(people: list[User], application: Application) -> set[int]:
    """Ids of those whom `barred` keeps out; as few statements for many as for one."""
    own = {application.applicant_id}
    return own | _sharing_an_organization(people, application) | _in_conflict(people, application)


def _sharing_an_organization(people: list[User], application: Application) -> set[int]:
    """Now, or at any time since the application was begun: leaving to rule on it helps nobody."""
    applicant = application.applicant
    belonged = organizations_since([applicant, *people], application.created_at)
    theirs = set(belonged[applicant.ref])
    if application.organization:
        theirs.add(application.organization.ref)
    return {each.pk for each in people if not theirs.isdisjoint(belonged[each.ref])}


def _in_conflict(people: list[User], application: Application) -> set[int]:
    declared = application.conflicts.filter(person__in=people)
    unwaived = declared.exclude(resolution=ConflictResolution.WAIVED)
    return set(unwaived.values_list("person", flat=True))


def can_read_file(user: User, application: Application) -> Verdict:
    """Answers, reviews and thread are for staff without a tie to them."""
    if not user.has_perm("applications.view_application"):
        return deny("no_permission", "Your staff role does not include reading applications.")
    return barred(user, application)


def can_see_reviews(user: User, application: Application) -> Verdict:
    """A reviewer reads colleagues' opinions after giving their own, so that none is an anchor.

    Those who rule, and those who only look on, see them at once.
    """
    reviewer = user.has_perm("reviews.review_application")
    if not reviewer or user.has_perm("reviews.decide_application"):
        return allow()
    if application.status not in UNDECIDED:
        return allow()
    if user.pk not in {review.reviewer_id for review in current_reviews(application)}:
        return deny(
            "not_reviewed_yet",
            "You will see what your colleagues wrote once you have recorded your own review.",
        )
    return allow()


def can_read_event(user: User, kind: str, ref: str) -> Verdict:
    """What the log holds of a file is read by those who may read the file; of a review, by those
    who may read reviews. `ref` is the application's.
    """
    application = Application.objects.filter(ref=ref).first()
    if application is None:
        return deny("no_file", "The file it belongs to is not here.")
    readable = can_read_file(user, application)
    if readable and kind.startswith("review."):
        return can_see_reviews(user, application)
    return readable


def can_take_application(user: User, application: Application) -> Verdict:
    """Take it from the queue: from submission, from the waiting list, or from a colleague."""
    if not user.has_perm("reviews.review_application"):
        return deny("no_permission", "Only reviewers take applications into review.")
    if application.status not in (S.SUBMITTED, S.WAITLISTED, *UNDER_REVIEW):
        return deny("not_in_queue", "It is not waiting for review.")
    if application.status in UNDER_REVIEW and _has_taken(user, application):
        return deny("taken_already", "You have taken it.")
    return barred(user, application)


def can_review_application(user: User, application: Application) -> Verdict:
    if not user.has_perm("reviews.review_application"):
        return deny("no_permission", "Only reviewers can record a review.")
    if application.status in (S.SUBMITTED, S.WAITLISTED):
        return deny("not_under_review", "Take it into review first.")
    if application.status not in UNDER_REVIEW:
        return deny("not_under_review", "Only an application in review can be reviewed.")
    if application.status == S.APPEALED and user.pk in _involved_before(application):
        return deny("appeal_needs_others", "An appeal is reviewed by people new to it.")
    if any(review.reviewer_id == user.pk for review in latest_revision(application).reviews.all()):
        return deny("reviewed_already", "You have reviewed this revision already.")
    return barred(user, application)


def can_request_changes(user: User, application: Application) -> Verdict:
    if not user.has_perm("reviews.review_application"):
        return deny("no_permission", "Only reviewers can ask for changes.")
    if application.status not in (S.SUBMITTED, S.IN_REVIEW):
        return deny("not_under_review", "Changes can be asked for only while it is in review.")
    return barred(user, application)


def can_reply_to_applicant(user: User, application: Application) -> Verdict:
    if not user.has_perm("reviews.review_application"):
        return deny("no_permission", "Only reviewers write to applicants.")
    thread = can_send_message(user, application)
    return barred(user, application) if thread else thread


def can_decide_application(user: User, application: Application) -> Verdict:
    """Rule on it at all. At the critical tier the ruling is a decider's who did not review."""
    if application.status not in UNDER_REVIEW:
        return deny("not_under_review", "Only an application in review can be decided.")
    critical = highest_tier(application.phase.release, application.scopes) == RiskTier.CRITICAL
    decider = user.has_perm("reviews.decide_application")
    if not decider and (critical or not user.has_perm("reviews.review_application")):
        return deny("no_permission", "This one is for a decider.")
    if critical and user.pk in {review.reviewer_id for review in current_reviews(application)}:
        return deny("reviewer_is_not_decider", "You reviewed it, so somebody else decides it.")
    if application.status == S.APPEALED and user.pk in _involved_before(application):
        return deny("appeal_needs_others", "An appeal is decided by people new to it.")
    return barred(user, application)


def can_approve_application(user: User, application: Application) -> Verdict:
    """As can_decide_application; it can be given; enough reviewers said yes and none said no."""
    may_decide = can_decide_application(user, application)
    if not may_decide:
        return may_decide
    return standing(application) and quorum(application)


def can_waitlist_application(user: User, application: Application) -> Verdict:
    """As can_decide_application; an appeal is answered yes or no."""
    may_decide = can_decide_application(user, application)
    if may_decide and application.status == S.APPEALED:
        return deny("appeal_wants_answer", "An appeal is approved or declined.")
    return may_decide


def standing(application: Application) -> Verdict:
    """Whether applicant, organisation and phase allow that access is given."""
    return can_be_given(
        person_id=application.applicant_id,
        organization_id=application.organization_id,
        phase_id=application.phase_id,
    )


def counted_reviews(application: Application) -> list[Review]:
    """The reviews an approval stands on.

    What somebody wrote whom a tie has barred since counts neither way. A yes counts only while
    its author may still review: suspended or out of the role, they vouch for nothing. Their no
    stays, or taking a role away would be a way around it.
    """
    reviews = current_reviews(application)
    tied = _tied([review.reviewer for review in reviews], application)
    return [
        review
        for review in reviews
        if review.reviewer_id not in tied
        and (review.recommendation == Recommendation.DECLINE or _may_review(review.reviewer))
    ]


def quorum(application: Application) -> Verdict:
    """Whether the reviews carry an approval at the highest risk tier asked for."""
    return carried_by(counted_reviews(application), application)


def carried_by(reviews: list[Review], application: Application) -> Verdict:
    """As quorum, for who has counted the reviews already."""
    if any(review.recommendation == Recommendation.DECLINE for review in reviews):
        return deny("a_reviewer_said_no", "A reviewer recommends to decline; that stops approval.")
    tier = highest_tier(application.phase.release, application.scopes)
    needed = application.phase.reviewers_needed(tier)
    if len(reviews) < needed:
        return deny(
            "quorum_missing",
            f"{len(reviews)} of {needed} reviewers needed at the {tier.label.lower()} tier "
            "have recommended approval.",
        )
    return allow()


def can_declare_conflict(user: User, application: Application) -> Verdict:
    if not user.has_perm("reviews.review_application"):
        return deny("no_permission", "Only staff who review declare conflicts.")
    if application.status not in OPEN:
        return deny("closed", "It has been decided.")
    if application.conflicts.filter(person=user).exists():
        return deny("declared_already", "You have declared a conflict already.")
    return allow()


def can_resolve_conflict(user: User, conflict: ConflictOfInterest) -> Verdict:
    if not user.has_perm("reviews.waive_conflict"):
        return deny("no_permission", "A decider resolves conflicts.")
    if conflict.person_id == user.pk:
        return deny("own_conflict", "Somebody else resolves your own conflict.")
    if conflict.resolution != ConflictResolution.OPEN:
        return deny("resolved_already", "This conflict has been resolved.")
    return barred(user, conflict.application)


def _may_review(user: User) -> bool:
    """A suspended or closed account has no permission at all."""
    return user.has_perm("reviews.review_application")


def _has_taken(user: User, application: Application) -> bool:
    return Assignment.objects.filter(application=application, reviewer=user).exists()


def _involved_before(application: Application) -> set[int]:
    reviewers = {
        review.reviewer_id
        for revision in application.revisions.all()
        for review in revision.reviews.all()
        if review.recorded_at < application.status_changed_at
    }
    return reviewers | deciders_of(application)
