"""The staff's edge: buttons on grants and keys, and the pages of a case of revocation."""

from portal.credentials.admin_views.buttons import (
    allow_new_keys,
    resume_grant,
    retry_activation,
    revoke_credential,
    revoke_grant,
    suspend_grant,
)
from portal.credentials.admin_views.cases import (
    approve_revocation,
    cancel_revocation,
    confirm_revocation,
    contain_revocation,
    count_keys,
    export_case,
    new_revocation,
    pause_revocation,
    prove_revocation,
    report_case,
    resume_revocation,
    show_case,
    show_headway,
)
from portal.credentials.admin_views.freezes import (
    ask_to_lift,
    keep_freeze,
    lift_freeze,
    new_freeze,
)

__all__ = [
    "allow_new_keys",
    "approve_revocation",
    "ask_to_lift",
    "cancel_revocation",
    "confirm_revocation",
    "contain_revocation",
    "count_keys",
    "export_case",
    "keep_freeze",
    "lift_freeze",
    "new_freeze",
    "new_revocation",
    "pause_revocation",
    "prove_revocation",
    "report_case",
    "resume_grant",
    "resume_revocation",
    "retry_activation",
    "revoke_credential",
    "revoke_grant",
    "show_case",
    "show_headway",
    "suspend_grant",
]
