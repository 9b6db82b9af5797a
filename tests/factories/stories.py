"""People and applications brought to a stage through the services, as the portal does it."""

from datetime import timedelta

from django.utils import timezone

from portal.applications.models import Revision
from portal.applications.services import (
    save_answers,
    start_application,
    submit_application,
)
from portal.applications.services.submitting import snapshot_sha256
from portal.audit.services import System
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    accept_offer,
    claim_credential,
    issue_credential,
    request_credential,
)
from portal.programs.models import Question
from portal.programs.selectors import current_agreement, highest_tier
from portal.programs.services import sign_agreement
from portal.reviews.services import (
    approve_application,
    decline_application,
    record_review,
    take_application,
)
from tests.factories.accounts import UserFactory
from tests.factories.applications import ApplicationFactory
from tests.factories.programs import (
    AgreementVersionFactory,
    CapabilityFactory,
    ModelReleaseFactory,
    RolloutPhaseFactory,
    SignatureFactory,
)
from tests.factories.reviews import ReviewFactory

STANDARD, ELEVATED, CRITICAL = "model:infer", "cyber:triage", "cyber:exploit-analysis"
TIERS = {STANDARD: "standard", ELEVATED: "elevated", CRITICAL: "critical"}
SCORES = {"score_need": 4, "score_safeguards": 4, "score_track_record": 3}
WORKER = System("worker")


def reviewer(**fields):
    return UserFactory(permissions=["reviews.review_application"], is_staff=True, **fields)


def decider(**fields):
    permissions = ["reviews.decide_application", "reviews.waive_conflict"]
    return UserFactory(permissions=permissions, is_staff=True, **fields)


def responder(**fields):
    return UserFactory(permissions=["credentials.revoke_credentials"], is_staff=True, **fields)


def manager(**fields):
    permissions = ["programs.change_rolloutphase", "programs.halt_phase"]
    return UserFactory(permissions=permissions, is_staff=True, **fields)


def open_phase(**fields):
    """A published release with one scope a tier, terms, and one question each phase asks."""
    now = timezone.now()
    release = fields.pop("release", None) or ModelReleaseFactory(published_at=now)
    phase = RolloutPhaseFactory(
        **{"release": release, "opens_at": now - timedelta(days=1), **fields}
    )
    phase.capabilities.add(
        *[CapabilityFactory(release=release, scope=each, tier=tier) for each, tier in TIERS.items()]
    )
    AgreementVersionFactory(release=release)
    Question.objects.create(
        phase=phase, key="purpose", section="Use", order=1, kind="long_text", prompt="What for?"
    )
    return phase


def sign(user, phase):
    agreement = current_agreement(phase.release)
    return sign_agreement(
        agreement_id=agreement.pk, sha256=agreement.sha256, signed_name="A. Person", by=user
    )


def draft(*, phase=None, by=None, scopes=(STANDARD,), organization=None):
    """Complete and signed: ready to be submitted. `organization`: one of the applicant's."""
    phase, by = phase or open_phase(), by or UserFactory()
    sign(by, phase)
    application = start_application(phase_id=phase.pk, by=by)
    return save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"purpose": "Triage of alerts."},
        scopes=list(scopes),
        organization_ref=organization.ref if organization else None,
        by=by,
    )


def submitted(**given):
    application = draft(**given)
    submit_application(application_id=application.pk, by=application.applicant)
    return again(application)


def in_review(**given):
    application = submitted(**given)
    take_application(application_id=application.pk, by=reviewer())
    return again(application)


def read(application_id):
    """The number of the revision that whoever looks now reads."""
    return Revision.objects.filter(application=application_id).count()


def review(application, *, by=None, recommendation="approve"):
    return record_review(
        application_id=application.pk,
        revision=read(application.pk),
        recommendation=recommendation,
        scores=SCORES,
        comment="Looked at it.",
        by=by or reviewer(),
    )


def reviewed(*, times=None, **given):
    """In review, with as many recommendations as the riskiest of its scopes needs."""
    application = in_review(**given)
    tier = highest_tier(application.phase.release, application.scopes)
    for _ in range(application.phase.reviewers_needed(tier) if times is None else times):
        review(application)
    return application


def found_good(*, times=2, phase=None, by=None, scopes=(STANDARD,), organization=None):
    """As reviewed() leaves it, without the way there: for whoever looks at what comes after."""
    phase, by = phase or open_phase(), by or UserFactory()
    agreement = current_agreement(phase.release)
    SignatureFactory(agreement=agreement, user=by)
    now = timezone.now()
    application = ApplicationFactory(
        phase=phase,
        applicant=by,
        organization=organization,
        status="in_review",
        scopes=list(scopes),
        answers={"purpose": "Triage of alerts."},
        version=1,
        submitted_at=now,
    )
    snapshot = {
        "answers": [],
        "scopes": application.scopes,
        "organization": organization.name if organization else "",
        "agreement": {"number": agreement.number, "sha256": agreement.sha256},
        "prepared_at": now.isoformat(timespec="seconds"),
    }
    revision = application.revisions.create(
        number=1, snapshot=snapshot, sha256=snapshot_sha256(snapshot), submitted_by=by
    )
    for _ in range(times):
        ReviewFactory(revision=revision, reviewer=reviewer())
    return application


def approve(application, *, by=None, scopes=None):
    return approve_application(
        application_id=application.pk,
        revision=read(application.pk),
        scopes=application.scopes if scopes is None else scopes,
        text="Welcome.",
        by=by or decider(),
    )


def decline(application, *, by=None, reason_code="risk_too_high", text="Not now.", **more):
    return decline_application(
        application_id=application.pk,
        revision=read(application.pk),
        reason_code=reason_code,
        text=text,
        by=by or decider(),
        **more,
    )


def accept(application, *, by=None):
    """Take up the offer, signing today's terms."""
    agreement = current_agreement(application.phase.release)
    return accept_offer(
        application_id=application.pk,
        agreement_id=agreement.pk,
        sha256=agreement.sha256,
        signed_name="A. Person",
        by=by or application.applicant,
    )


def opened(**given) -> Grant:
    """Approved, its grant activating: a row no worker has seen."""
    return Grant.objects.get(application=approve(found_good(**given)))


def ready(**given) -> Credential:
    """A slot waiting to be claimed."""
    grant = opened(**given)
    issue_credential(grant_id=grant.pk, by=WORKER)
    return grant.credentials.get()


def claimed(**given):
    """(credential, token)."""
    credential = ready(**given)
    minted = claim_credential(kid=credential.kid, by=credential.grant.holder)
    return again(credential), minted.token


def another(grant):
    """(credential, token): one more key under the grant."""
    credential = request_credential(grant_id=grant.pk, by=grant.holder)
    issue_credential(grant_id=grant.pk, by=WORKER)
    minted = claim_credential(kid=credential.kid, by=grant.holder)
    return again(credential), minted.token


def again(row):
    """The row as it stands now, nothing cached."""
    return type(row)._default_manager.get(pk=row.pk)
