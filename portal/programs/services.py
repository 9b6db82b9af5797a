"""Every change to a programme."""

import hashlib

from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import record_event
from portal.errors import Conflict, Invalid
from portal.programs import policies
from portal.programs.models import (
    AgreementVersion,
    Capability,
    ModelRelease,
    Question,
    RolloutPhase,
    Signature,
)
from portal.programs.selectors import current_agreement

LONGEST_NAME = 200
Setting = ModelRelease | RolloutPhase | Capability | Question


def text_sha256(text: str) -> str:
    """SHA-256, in hex, of exactly this text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def save_setting(*, setting: Setting, by: User) -> None:
    """Save one validated piece of a programme and say so in the log."""
    policies.can_edit_programme(by).enforce()
    setting.save()
    thread = _file_of(setting)
    record_event(
        f"{_kind(setting)}.saved",
        subject=thread,
        thread=thread,
        by=by,
        payload=_what(setting),
    )


@transaction.atomic
def set_ceiling(*, phase_id: int, scopes: list[str], by: User) -> RolloutPhase:
    """Say which capabilities a phase may give at most; each must be its release's."""
    policies.can_edit_programme(by).enforce()
    phase = RolloutPhase.objects.select_for_update().get(pk=phase_id)
    capabilities = list(phase.release.capabilities.filter(scope__in=scopes))
    if len(capabilities) != len(set(scopes)):
        raise Invalid("scope_unknown", "Choose from the release's capabilities.")
    phase.capabilities.set(capabilities)
    record_event(
        "phase.ceiling_set",
        subject=phase.ref,
        thread=phase.ref,
        by=by,
        payload={"scopes": sorted(scopes)},
    )
    return phase


@transaction.atomic
def remove_question(*, question: Question, by: User) -> None:
    """Answers given earlier stay in their revisions, which hold the prompt."""
    policies.can_edit_programme(by).enforce()
    question.delete()
    ref = question.phase.ref
    record_event("question.removed", subject=ref, thread=ref, by=by, payload={"key": question.key})


@transaction.atomic
def publish_release(*, release_id: int, by: User) -> ModelRelease:
    """Show the release on the landing page."""
    policies.can_edit_programme(by).enforce()
    release = ModelRelease.objects.select_for_update().get(pk=release_id)
    if release.published_at:
        raise Conflict("already_published", "This release is published already.")
    release.published_at = timezone.now()
    release.save(update_fields=["published_at"])
    record_event("release.published", subject=release.ref, thread=release.ref, by=by)
    return release


@transaction.atomic
def publish_agreement(*, release_id: int, title: str, text: str, by: User) -> AgreementVersion:
    """Publish new terms as the next number. Everybody has to sign again: keys of those who have
    not are refused, by decision at verification and without a job.
    """
    policies.can_edit_programme(by).enforce()
    release = ModelRelease.objects.select_for_update().get(pk=release_id)
    last = current_agreement(release)
    sha256 = text_sha256(text)
    if last and last.sha256 == sha256:
        raise Conflict("same_text", f"Version {last.number} has exactly this text.")
    agreement = AgreementVersion.objects.create(
        release=release,
        number=last.number + 1 if last else 1,
        title=title,
        text=text,
        sha256=sha256,
        published_by=by,
    )
    record_event(
        "agreement.published",
        subject=release.ref,
        thread=release.ref,
        by=by,
        payload={"number": agreement.number, "sha256": sha256},
    )
    return agreement


@transaction.atomic
def sign_agreement(*, agreement_id: int, sha256: str, signed_name: str, by: User) -> Signature:
    """Bind `by` to the text whose hash the page showed. Signing twice keeps the first."""
    agreement = AgreementVersion.objects.select_related("release").get(pk=agreement_id)
    current = current_agreement(agreement.release)
    if agreement != current or agreement.sha256 != sha256:
        raise Conflict("agreement_changed", "The terms have changed; read and sign the new ones.")
    if not 0 < len(signed_name.strip()) <= LONGEST_NAME:
        raise Invalid("name_missing", "Type your name to sign.", {"signed_name": "Type your name."})
    signature, created = Signature.objects.get_or_create(
        agreement=agreement,
        user=by,
        defaults={"sha256": sha256, "signed_name": signed_name.strip()},
    )
    if created:
        record_event(
            "agreement.signed",
            subject=by.ref,
            thread=agreement.release.ref,
            by=by,
            payload={"number": agreement.number, "sha256": sha256},
        )
    return signature


@transaction.atomic
def halt_phase(*, phase_id: int, by: User) -> RolloutPhase:
    """Stop applications and refuse every key of the phase, from commit on; reversible."""
    phase = RolloutPhase.objects.select_for_update().get(pk=phase_id)
    policies.can_halt_phase(by, phase).enforce()
    phase.halted_at, phase.halted_by = timezone.now(), by
    phase.save(update_fields=["halted_at", "halted_by"])
    record_event("phase.halted", subject=phase.ref, thread=phase.ref, by=by)
    return phase


@transaction.atomic
def resume_phase(*, phase_id: int, by: User) -> RolloutPhase:
    """Let applications and keys of the phase through again."""
    phase = RolloutPhase.objects.select_for_update().get(pk=phase_id)
    policies.can_resume_phase(by, phase).enforce()
    phase.halted_at = phase.halted_by = None
    phase.save(update_fields=["halted_at", "halted_by"])
    record_event("phase.resumed", subject=phase.ref, thread=phase.ref, by=by)
    return phase


def _kind(setting: models.Model) -> str:
    return {
        ModelRelease: "release",
        RolloutPhase: "phase",
        Capability: "capability",
        Question: "question",
    }[type(setting)]


def _file_of(setting: Setting) -> str:
    """The reference of the release or phase whose file this belongs to."""
    if isinstance(setting, Capability):
        return setting.release.ref
    return setting.phase.ref if isinstance(setting, Question) else setting.ref


def _what(setting: Setting) -> dict[str, str]:
    if isinstance(setting, Capability):
        return {"scope": setting.scope, "tier": setting.tier}
    return {"key": setting.key} if isinstance(setting, Question) else {}
