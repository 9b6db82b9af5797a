"""Freezing access, and lifting a freeze with a colleague.

In force at commit: doors read the freeze itself, so no worker and no broker is needed, and no
key changes its state.
"""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import record_event
from portal.credentials import freeze_policies
from portal.credentials.levels import find_aim
from portal.credentials.models import Freeze
from portal.errors import Invalid
from portal.redaction import redact

LONGEST_REASON = 500


@transaction.atomic
def place_freeze(*, level: str, target: str, reason: str, by: User) -> Freeze:
    """Stop every key under the target from this commit on. `target` is a reference, a person's
    address or an organisation's whole name; of everything it is empty.

    What is frozen already stays so under the freeze that stands, which is returned. The lock
    keeps it from being lifted in between; and whoever asked to lift it did not know what is known
    now, so a colleague lifts it only after it was asked for anew.
    """
    freeze_policies.can_freeze(by).enforce()
    aim = find_aim(level, target)
    freeze, is_new = Freeze.objects.select_for_update().get_or_create(
        level=aim.level,
        target=aim.ref,
        lifted_at=None,
        defaults={"reason": _checked(reason), "placed_by": by.ref},
    )
    if is_new:
        _record("freeze.placed", freeze, by)
    elif freeze.lift_asked_at:
        _keep(freeze, by)
    return freeze


@transaction.atomic
def ask_to_lift(*, freeze_id: int, by: User) -> Freeze:
    """The first of two. The freeze stays in force until a colleague lifts it."""
    freeze = _lock(freeze_id)
    freeze_policies.can_ask_to_lift(by, freeze).enforce()
    freeze.lift_asked_at, freeze.lift_asked_by = timezone.now(), by
    freeze.save(update_fields=["lift_asked_at", "lift_asked_by"])
    _record("freeze.lift_asked", freeze, by)
    return freeze


@transaction.atomic
def lift_freeze(*, freeze_id: int, by: User) -> Freeze:
    """The second of two. From this commit on the keys work again, unless something else bars them:
    another freeze over them, or what became of them meanwhile.
    """
    freeze = _lock(freeze_id)
    freeze_policies.can_lift_freeze(by, freeze).enforce()
    freeze.lifted_at, freeze.lifted_by = timezone.now(), by
    freeze.save(update_fields=["lifted_at", "lifted_by"])
    _record("freeze.lifted", freeze, by)
    return freeze


@transaction.atomic
def keep_freeze(*, freeze_id: int, by: User) -> Freeze:
    """Decline the lift, or take one's own request back; lifting can be asked for anew."""
    freeze = _lock(freeze_id)
    freeze_policies.can_keep_freeze(by, freeze).enforce()
    _keep(freeze, by)
    return freeze


def _keep(freeze: Freeze, by: User) -> None:
    freeze.lift_asked_at = freeze.lift_asked_by = None
    freeze.save(update_fields=["lift_asked_at", "lift_asked_by"])
    _record("freeze.kept", freeze, by)


def _lock(freeze_id: int) -> Freeze:
    return Freeze.objects.select_for_update().get(pk=freeze_id)


def _checked(reason: str) -> str:
    words = redact(reason).strip()
    if not words:
        told = "Say why, for colleagues and auditors. Nothing was frozen yet."
        raise Invalid("reason_missing", told, {"reason": told})
    return words[:LONGEST_REASON]


def _record(kind: str, freeze: Freeze, by: User) -> None:
    record_event(
        kind,
        subject=freeze.ref,
        thread=freeze.ref,
        by=by,
        payload={"level": freeze.level, "target": freeze.target},
    )
