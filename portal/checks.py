"""Settings that look harmless and are not; the docstring of each rule is what is printed.

Those of the doorbell (docs/adr/0001) are ways in which a worker, a broker or a message gets lost
for a long time. `manage.py` runs them as a system check; web and worker, which run none, refuse to
start when one is broken. Those of a deployment may be meant: `check --deploy` warns of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Doubt

Conf = Mapping[str, Any]
DOORBELL = "doorbell"  # what its system check is tagged with

LONGEST_SILENCE = 120  # seconds until the message of a killed worker may be seen again
LONGEST_WAIT = 10  # for a broker that neither answers nor hangs up
RECONCILE_WITHIN = 60
LONGEST_RING = 3600


def _visibility(conf: Conf) -> bool:
    """visibility_timeout must lie between twice task_time_limit and 120 s, and be the same
    wherever Celery looks for it: shorter, and running tasks are delivered again; longer, and
    the messages of a killed worker stay lost for hours.
    """
    limit = conf["task_time_limit"] or LONGEST_SILENCE
    everywhere = {
        conf["broker_transport_options"].get("visibility_timeout", 3600),
        conf["result_backend_transport_options"].get("visibility_timeout", 3600),
        conf["visibility_timeout"],
    }
    return len(everywhere) == 1 and 2 * limit <= everywhere.pop() <= LONGEST_SILENCE


def _restoring(conf: Conf) -> bool:
    """unacked_restore_interval must be at most 10 s and unacked_restore_throttle 1: kombu
    multiplies the two, and by default looks for lost messages every 100 s.
    """
    options = conf["broker_transport_options"]
    often = options.get("unacked_restore_interval", 10) <= LONGEST_WAIT
    return often and options.get("unacked_restore_throttle", 10) == 1


def _timeouts(conf: Conf) -> bool:
    """socket_timeout and socket_connect_timeout must be set, at most 10 s: without them a broker
    that never answers blocks its caller for ever.
    """
    options = conf["broker_transport_options"]
    waits = (options.get("socket_timeout"), options.get("socket_connect_timeout"))
    return all(0 < (wait or 0) <= LONGEST_WAIT for wait in waits)


def _retries(conf: Conf) -> bool:
    """max_retries of the transport must be at most 3 and retry_on_timeout off: otherwise
    connecting to a dead broker is tried for ever, or a message sent twice.
    """
    options = conf["broker_transport_options"]
    return options.get("max_retries", 100) <= 3 and not options.get("retry_on_timeout")


def _late_acknowledgement(conf: Conf) -> bool:
    """task_acks_late must be on and worker_prefetch_multiplier 1: otherwise a killed worker takes
    messages with it that it had not begun.
    """
    return conf["task_acks_late"] is True and conf["worker_prefetch_multiplier"] == 1


def _no_endless_requeue(conf: Conf) -> bool:
    """task_reject_on_worker_lost must be off: it has no cap, so a task that kills its worker kills
    every worker. Reconciling rings again, and counts.
    """
    return not conf["task_reject_on_worker_lost"]


def _nothing_but_ids(conf: Conf) -> bool:
    """Results must be ignored and messages be JSON only: nothing but ids goes through Redis."""
    no_results = conf["task_ignore_result"] is True and not conf["result_backend"]
    return no_results and conf["task_serializer"] == "json" and conf["accept_content"] == ["json"]


def _reconciling(conf: Conf) -> bool:
    """Beat must reconcile keys, mails and webhooks at least every minute: that is what finishes
    whatever the broker lost.
    """
    often = {
        entry["task"]
        for entry in conf["beat_schedule"].values()
        if float(entry["schedule"]) <= RECONCILE_WITHIN
    }
    return {"credentials.reconcile", "mail.reconcile", "webhooks.reconcile"} <= often


def _rings_expire(conf: Conf) -> bool:
    """Every entry of beat_schedule must expire within an hour: without workers the broker would
    gather rings that all say the same.
    """
    options = [entry.get("options", {}) for entry in conf["beat_schedule"].values()]
    return all(0 < (each.get("expires") or 0) <= LONGEST_RING for each in options)


RULES: Mapping[str, Callable[[Conf], bool]] = {
    "portal.E001": _visibility,
    "portal.E002": _restoring,
    "portal.E003": _timeouts,
    "portal.E004": _retries,
    "portal.E005": _late_acknowledgement,
    "portal.E006": _no_endless_requeue,
    "portal.E007": _nothing_but_ids,
    "portal.E008": _reconciling,
    "portal.E009": _rings_expire,
}
_READ = (
    "accept_content",
    "beat_schedule",
    "broker_transport_options",
    "result_backend",
    "result_backend_transport_options",
    "task_acks_late",
    "task_ignore_result",
    "task_reject_on_worker_lost",
    "task_serializer",
    "task_time_limit",
    "visibility_timeout",
    "worker_prefetch_multiplier",
)


def as_celery_reads_them() -> Conf:
    """The settings the rules speak of, with Celery's own defaults where we set none."""
    return {name: current_app.conf.get(name) for name in _READ}


def broken_rules(conf: Conf) -> list[CheckMessage]:
    """Every rule these settings break."""
    return [Error(_words(holds), id=code) for code, holds in RULES.items() if not holds(conf)]


def check_doorbell(**_asked: Any) -> list[CheckMessage]:
    """The system check."""
    return broken_rules(as_celery_reads_them())


def _staff_have_a_second_factor() -> bool:
    """STAFF_MFA_REQUIRED is off: who guesses or steals one password of the staff enters the admin,
    and may give access away.
    """
    return bool(settings.STAFF_MFA_REQUIRED)


def _hosts_are_named() -> bool:
    """ALLOWED_HOSTS holds *: any name is served, and pages and links may be made under one that
    somebody else chose. Name the portal's own hosts.
    """
    return "*" not in settings.ALLOWED_HOSTS


DOUBTS: Mapping[str, Callable[[], bool]] = {
    "portal.W001": _staff_have_a_second_factor,
    "portal.W002": _hosts_are_named,
}


def check_deployment(**_asked: Any) -> list[CheckMessage]:
    """The check of `manage.py check --deploy`."""
    return [Doubt(_words(holds), id=code) for code, holds in DOUBTS.items() if not holds()]


def _words(rule: Callable[..., bool]) -> str:
    return " ".join((rule.__doc__ or "").split())


def refuse_unsound_doorbell() -> None:
    """Stop a process that runs no system checks by itself."""
    broken = broken_rules(as_celery_reads_them())
    if broken:
        raise SystemExit("\n".join(f"{error.id}: {error.msg}" for error in broken))
