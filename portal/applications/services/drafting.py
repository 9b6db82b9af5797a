"""Starting an application, and saving while the applicant types."""

import json
import re
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Organization, User
from portal.applications import policies
from portal.applications.answers import Answers
from portal.applications.enums import ApplicationStatus
from portal.applications.lifecycle import EVENT, OPEN
from portal.applications.models import Application
from portal.applications.services.moving import lock_application
from portal.audit.services import record_event
from portal.errors import Conflict, Invalid
from portal.programs.models import RolloutPhase
from portal.programs.policies import can_apply_to_phase

DRAFT_LIFE = timedelta(days=60)
# Far above any phase's form; keeps one draft from filling the database.
MOST_ANSWER_CHARACTERS = 200_000
# PostgreSQL keeps neither NUL (which JSON writes as an escape) nor half a surrogate pair.
_NOT_TEXT = re.compile(r"\\u0000|[\ud800-\udfff]")


@transaction.atomic
def start_application(*, phase_id: int, by: User) -> Application:
    """Open a draft, or return the one that is open already: starting twice is one application."""
    phase = RolloutPhase.objects.select_related("release").get(pk=phase_id)
    can_apply_to_phase(by, phase).enforce()
    # The person's row serialises their own double clicks.
    User.objects.select_for_update().get(pk=by.pk)
    existing = Application.objects.filter(phase=phase, applicant=by, status__in=OPEN).first()
    if existing:
        return existing
    policies.can_apply_again(by, phase).enforce()
    application = Application.objects.create(
        phase=phase, applicant=by, expires_at=timezone.now() + DRAFT_LIFE
    )
    record_event(
        EVENT[ApplicationStatus.DRAFT],
        subject=application.ref,
        thread=application.ref,
        by=by,
        payload={"phase": phase.ref},
    )
    return application


@transaction.atomic
def save_answers(
    *,
    application_id: int,
    version: int,
    by: User,
    answers: Answers | None = None,
    scopes: list[str] | None = None,
    organization_ref: str | None = None,
) -> Application:
    """Merge `answers` into the draft; nothing is judged until it is submitted.

    `version` is the one the page was made from: a tab that missed a later save gets Conflict
    and loses nothing, as its page still holds what was typed. Only keys of this phase's
    questions and scopes within its ceiling are kept; None leaves a part as it is, an empty
    `organization_ref` means applying for oneself. Autosaves write no event: nobody else has
    seen a draft.
    """
    application = lock_application(application_id)
    policies.can_edit_application(by, application).enforce()
    if application.version != version:
        raise Conflict(
            "stale",
            "This application was changed in another tab or by another save. "
            "Nothing you typed here is lost: copy it, reload, and paste.",
        )
    if answers is not None:
        application.answers = _merged(application, answers)
    if scopes is not None:
        application.scopes = _within_ceiling(application, scopes)
    if organization_ref is not None:
        application.organization = _own_organization(by, organization_ref)
    application.version += 1
    application.updated_at = timezone.now()
    application.save()
    return application


def _merged(application: Application, answers: Answers) -> Answers:
    keys = set(application.phase.questions.values_list("key", flat=True))
    merged = application.answers | {key: answers[key] for key in answers if key in keys}
    written = json.dumps(merged, ensure_ascii=False)
    if len(written) > MOST_ANSWER_CHARACTERS:
        raise Invalid("too_long", "Your answers together are too long; shorten the longest.")
    if _NOT_TEXT.search(written):
        raise Invalid("characters", "An answer holds characters that are not text; retype it.")
    return merged


def _within_ceiling(application: Application, scopes: list[str]) -> list[str]:
    ceiling = set(application.phase.capabilities.values_list("scope", flat=True))
    if set(scopes) - ceiling:
        raise Invalid(
            "scope_unknown",
            "Choose from the capabilities this phase offers.",
            {"scopes": "Choose from the list."},
        )
    return sorted(set(scopes))


def _own_organization(user: User, ref: str) -> Organization | None:
    if not ref:
        return None
    organization = Organization.objects.filter(ref=ref, people=user).first()
    if not organization:
        raise Invalid(
            "organization_unknown",
            "Choose one of your organisations.",
            {"organization": "Choose one of your organisations."},
        )
    return organization
