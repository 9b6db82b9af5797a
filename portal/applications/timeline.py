"""The applicant's view of an application's file.

An allow-list: who reviewed, how, and who declared a conflict stay with staff, and so does any
kind of event nobody has thought about here yet.
"""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from portal.applications.models import Application
from portal.audit.presenters import present
from portal.audit.selectors import timeline

MOST_ENTRIES = 100

# kind: the state whose mark stands beside it
SHOWN: dict[str, str] = {
    "application.started": "draft",
    "application.submitted": "submitted",
    "application.taken_into_review": "in_review",
    "application.changes_requested": "changes_requested",
    "application.waitlisted": "waitlisted",
    "application.approved": "approved",
    "application.granted": "granted",
    "application.lapsed": "lapsed",
    "application.declined": "declined",
    "application.appealed": "appealed",
    "application.declined_final": "declined_final",
    "application.withdrawn": "withdrawn",
    "application.expired": "expired",
    "application.message_sent": "draft",
    "grant.scheduled": "scheduled",
    "grant.opened": "activating",
    "grant.activation_failed": "activation_failed",
    "grant.activated": "active",
    "grant.suspended": "suspended",
    "grant.ended": "ended",
    "grant.revoked": "revoked",
    "grant.withdrawn": "withdrawn",
    "credential.requested": "requested",
    "credential.ready": "ready",
    "credential.claimed": "active",
    "credential.claim_refused": "failed",
    "credential.rotated": "retired",
    "credential.retired": "retired",
    "credential.revoked": "revoked",
    "credential.expired": "expired",
    "credential.lapsed": "lapsed",
    "credential.leak_suspected": "failed",
}


@dataclass(frozen=True)
class Entry:
    title: str
    at: datetime
    by: str
    status: str
    text: str = ""


def entries_for(application: Application, reader: User) -> list[Entry]:
    """What happened, newest first. Staff are "Our team": names of reviewers are not told."""
    events = timeline(application.ref).filter(kind__in=SHOWN)[:MOST_ENTRIES]
    partner = application.organization
    colleagues = set(partner.people.values_list("ref", flat=True)) if partner else set()
    return [
        Entry(
            title=present(event.kind),
            at=event.at,
            by=_called(event.actor, reader, colleagues),
            status=SHOWN[event.kind],
            text=f"Key {event.subject}" if event.kind.startswith("credential.") else "",
        )
        for event in events
    ]


def _called(actor: str, reader: User, colleagues: set[str]) -> str:
    if actor == reader.ref:
        return "You"
    if actor.startswith("system:"):
        return "System"
    return "Your organisation" if actor in colleagues else "Our team"
