"""What an applicant does once a draft is ready."""

import hashlib
import json
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.applications import notices, policies
from portal.applications.answers import asked, problems
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application, Message, Revision
from portal.applications.services.moving import lock_application, move_application
from portal.errors import Invalid
from portal.programs.selectors import current_agreement, signed_current_agreement

MOST_TEXT = 5000


@transaction.atomic
def submit_application(*, application_id: int, by: User) -> Revision:
    """Freeze what stands in the draft as the next revision and hand it to the reviewers.

    Raises Invalid with a sentence for every question still open; nothing is lost then.
    """
    application = lock_application(application_id)
    policies.can_submit_application(by, application).enforce()
    _must_be_complete(application)
    snapshot = _snapshot(application)
    revision = Revision.objects.create(
        application=application,
        number=application.revisions.count() + 1,
        snapshot=snapshot,
        sha256=snapshot_sha256(snapshot),
        submitted_by=by,
    )
    application.submitted_at = revision.submitted_at
    move_application(
        application,
        to=ApplicationStatus.SUBMITTED,
        by=by,
        payload={"revision": revision.number, "sha256": revision.sha256},
    )
    notices.application_submitted(application)
    return revision


@transaction.atomic
def withdraw_application(*, application_id: int, by: User) -> Application:
    """Take it back. An offer not yet taken is given up with it."""
    application = lock_application(application_id)
    policies.can_withdraw_application(by, application).enforce()
    move_application(application, to=ApplicationStatus.WITHDRAWN, by=by)
    return application


@transaction.atomic
def appeal_application(*, application_id: int, text: str, by: User) -> Application:
    """Ask other reviewers to look again; possible once, as the state machine has one edge."""
    application = lock_application(application_id)
    policies.can_appeal_application(by, application).enforce()
    text = text.strip()
    if not text or len(text) > MOST_TEXT:
        raise Invalid(
            "text_length",
            "Say what we should look at again, in at most 5,000 characters.",
            {"text": "Write between 1 and 5,000 characters."},
        )
    Message.objects.create(application=application, author=by, from_staff=False, body=text)
    move_application(application, to=ApplicationStatus.APPEALED, by=by)
    notices.application_appealed(application)
    return application


def snapshot_sha256(snapshot: dict[str, Any]) -> str:
    """SHA-256, in hex, of the snapshot's canonical JSON (sorted keys, no spaces, UTF-8)."""
    canonical = json.dumps(snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _must_be_complete(application: Application) -> None:
    found = problems(application.phase.questions.all(), application.answers)
    ceiling = set(application.phase.capabilities.values_list("scope", flat=True))
    if not application.scopes:
        found["scopes"] = "Choose at least one capability."
    elif set(application.scopes) - ceiling:
        found["scopes"] = "The phase no longer offers all of these; choose again."
    if application.organization and not application.organization.people.contains(
        application.applicant
    ):
        found["organization"] = "You are no longer a member of this organisation; choose again."
    if not signed_current_agreement(application.applicant_id, application.phase.release):
        found["agreement"] = "Read and sign the agreement."
    if found:
        raise Invalid("incomplete", "Some parts are not finished yet. Nothing is lost.", found)


def _snapshot(application: Application) -> dict[str, Any]:
    agreement = current_agreement(application.phase.release)
    return {
        "answers": [
            {
                "key": question.key,
                "section": question.section,
                "prompt": question.prompt,
                "answer": application.answers.get(question.key),
            }
            for question in asked(application.phase.questions.all(), application.answers)
        ],
        "scopes": application.scopes,
        "organization": application.organization.name if application.organization else "",
        "agreement": {"number": agreement.number, "sha256": agreement.sha256}
        if agreement
        else None,
        "prepared_at": timezone.now().isoformat(timespec="seconds"),
    }
