"""Every change to a programme."""

import hashlib
from datetime import UTC, datetime

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Payload, record_event
from portal.constraints import refused_by
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

# What staff type, and no more than this is ever written to a row that exists: whoever publishes
# or halts while somebody edits the same row is not undone. Codes and numbers stand in the log as
# they were and are; of words it says only that they changed.
CODES: dict[type[models.Model], tuple[str, ...]] = {
    ModelRelease: ("slug",),
    RolloutPhase: (
        "order",
        "opens_at",
        "closes_at",
        "capacity",
        "requests_per_minute",
        "tokens_per_day",
        "max_grant_days",
        "reviewers_standard",
        "reviewers_elevated",
        "reviewers_critical",
        "review_days",
    ),
    Capability: ("scope", "tier"),
    Question: ("key", "order", "kind", "required", "max_length", "condition_key"),
}
WORDS: dict[type[models.Model], tuple[str, ...]] = {
    ModelRelease: ("name", "summary", "risk_statement", "audience"),
    RolloutPhase: ("name", "audience"),
    Capability: ("name", "description"),
    Question: ("section", "prompt", "help", "options", "condition_value"),
}

# Constraints that somebody meets who was a moment later than another with the same place or name.
ONE_OF_A_KIND = frozenset(
    {
        "programs_modelrelease_slug_key",
        "programs_modelrelease_audience_key",
        "capability_scope_once",
        "phase_order_once",
        "question_key_once",
    }
)


def text_sha256(text: str) -> str:
    """SHA-256, in hex, of exactly this text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


@transaction.atomic
def save_setting(*, setting: Setting, by: User) -> None:
    """Save what staff typed into one validated piece of a programme and say so in the log.

    Of a row that exists only what differs is written, and nothing is logged where nothing does.
    """
    policies.can_edit_programme(by).enforce()
    if setting._state.adding:
        _write(setting)
        payload = _codes(setting)
    else:
        before = _locked(setting)
        changed = _changed(before, setting)
        if not changed:
            return
        _write(setting, changed)
        payload = _difference(before, setting, changed)
    thread = _file_of(setting)
    record_event(
        f"{_kind(setting)}.saved",
        subject=thread,
        thread=thread,
        by=by,
        payload={**_which(setting), **payload},
    )


def _write(setting: Setting, changed: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            setting.save(update_fields=changed)
    except IntegrityError as error:
        if refused_by(error) not in ONE_OF_A_KIND:
            raise
        raise Conflict(
            "place_taken",
            "Somebody has just taken this place or name. Nothing was saved: look again.",
        ) from error


@transaction.atomic
def set_ceiling(*, phase_id: int, scopes: list[str], by: User) -> RolloutPhase:
    """Say which capabilities a phase may give at most; each must be its release's."""
    policies.can_edit_programme(by).enforce()
    phase = RolloutPhase.objects.select_for_update().get(pk=phase_id)
    capabilities = list(phase.release.capabilities.filter(scope__in=scopes))
    if len(capabilities) != len(set(scopes)):
        raise Invalid("scope_unknown", "Choose from the release's capabilities.")
    before = sorted(phase.capabilities.values_list("scope", flat=True))
    phase.capabilities.set(capabilities)
    record_event(
        "phase.ceiling_set",
        subject=phase.ref,
        thread=phase.ref,
        by=by,
        payload={"scopes": sorted(set(scopes)), "scopes_was": before},
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


def _which(setting: Setting) -> Payload:
    """Which one of its file's, where that has several."""
    if isinstance(setting, Capability):
        return {"scope": setting.scope}
    return {"key": setting.key} if isinstance(setting, Question) else {}


def _locked(setting: Setting) -> Setting:
    """The row as it is now, held until the transaction ends."""
    rows = type(setting)._default_manager.select_for_update()
    before: Setting | None = rows.filter(pk=setting.pk).first()
    if before is None:
        raise Conflict("removed", "Somebody has removed this in the meantime.")
    return before


def _changed(before: Setting, after: Setting) -> list[str]:
    typed = (*CODES[type(after)], *WORDS[type(after)])
    return [name for name in typed if getattr(before, name) != getattr(after, name)]


def _codes(setting: Setting) -> Payload:
    return {name: _code(setting, name) for name in CODES[type(setting)]}


def _difference(before: Setting, after: Setting, changed: list[str]) -> Payload:
    """Each code and number as it is and was; the names of the texts that are different."""
    payload: dict[str, str | int | list[str] | None] = {}
    for name in changed:
        if name in CODES[type(after)]:
            payload |= {name: _code(after, name), f"{name}_was": _code(before, name)}
    reworded = [name for name in changed if name in WORDS[type(after)]]
    return {**payload, "reworded": reworded} if reworded else payload


def _code(setting: Setting, name: str) -> str | int | None:
    value: str | int | datetime | None = getattr(setting, name)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
