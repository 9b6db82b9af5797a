"""What each staff role may do, as data. `migrate` makes the groups and gives them exactly this."""

from collections.abc import Iterable

from accounts.enums import StaffRole


def _view(app: str, *models: str) -> frozenset[str]:
    return frozenset(f"{app}.view_{model}" for model in models)


def _edit(app: str, *models: str) -> frozenset[str]:
    return frozenset(f"{app}.{act}_{model}" for model in models for act in ("add", "change"))


_PEOPLE = _view("accounts", "user", "organization", "membership", "verification")
_PROGRAMME = _view(
    "programs", "modelrelease", "capability", "rolloutphase", "agreementversion", "question"
)
_FILES = _view("applications", "application", "revision", "message") | _view(
    "reviews", "assignment", "review", "conflictofinterest", "decision"
)
_KEYS = (
    _view("credentials", "grant", "credential", "revocation", "revocationitem", "freeze")
    | _view("gateway", "gateway")
    | _view("webhooks", "endpoint", "delivery")
)
_SUSPEND = frozenset({"accounts.suspend_user", "accounts.suspend_organization"})
_MAIL = frozenset({"mail.view_outgoingmail", "mail.retry_mail"})

_REVIEWER = (
    _PEOPLE | _PROGRAMME | _FILES | {"reviews.review_application", "accounts.add_verification"}
)

_RESPONDER = (
    _PEOPLE
    | _PROGRAMME
    | _KEYS
    | _MAIL
    | _SUSPEND
    | _view("audit", "event")
    | {"credentials.revoke_credentials", "credentials.freeze_access"}
    | {"programs.halt_phase", "gateway.manage_gateways", "webhooks.disable_endpoint"}
)

ROLE_PERMISSIONS: dict[StaffRole, frozenset[str]] = {
    StaffRole.REVIEWER: _REVIEWER,
    StaffRole.DECIDER: _REVIEWER | {"reviews.decide_application", "reviews.waive_conflict"},
    StaffRole.PROGRAMME_MANAGER: _PEOPLE
    | _PROGRAMME
    | _FILES
    | _KEYS
    | _MAIL
    | _edit("programs", "modelrelease", "capability", "rolloutphase", "question")
    | {"programs.add_agreementversion", "programs.delete_question", "programs.halt_phase"}
    | {"gateway.manage_gateways", "accounts.suspend_organization", "accounts.add_verification"}
    | {"webhooks.disable_endpoint"},
    StaffRole.INCIDENT_RESPONDER: _RESPONDER,
    StaffRole.INCIDENT_LEAD: _RESPONDER | {"credentials.break_glass"},
    StaffRole.AUDITOR: _PEOPLE
    | _PROGRAMME
    | _FILES
    | _KEYS
    | _view("audit", "event")
    | _view("mail", "outgoingmail")
    | _view("accounts", "invitation")
    | _view("programs", "signature"),
}


def codenames(role: StaffRole, app_label: str) -> Iterable[str]:
    """The role's permissions on one app's models, without the app's label."""
    prefix = f"{app_label}."
    return [name.removeprefix(prefix) for name in ROLE_PERMISSIONS[role] if name.startswith(prefix)]
