"""The staff's edge: buttons on grants and keys, and the pages of a case of revocation."""

from portal.credentials.admin_views.answers import answers
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
    export_case,
    export_doors,
    new_revocation,
    pause_revocation,
    prove_revocation,
    report_case,
    resume_revocation,
    show_case,
    show_headway,
)
from portal.credentials.admin_views.counting import count_keys
from portal.credentials.admin_views.freezes import (
    ask_to_lift,
    keep_freeze,
    lift_freeze,
    new_freeze,
)
from portal.credentials.admin_views.lists import answer_list, export_lines, show_lines
from portal.credentials.admin_views.reissues import (
    approve_reissue,
    cancel_reissue,
    confirm_reissue,
    export_reissue,
    new_reissue,
    show_reissue,
    show_slots,
)

# Address, name and view of what a case has besides its page and its buttons.
OF_A_NEW_CASE = (
    ("count/", "count", count_keys),
    ("answers.csv", "answers", answer_list),
)
OF_A_CASE = (
    ("progress/", "progress", show_headway),
    ("keys.csv", "export", export_case),
    ("list/", "list", show_lines),
    ("list.csv", "list_export", export_lines),
    ("report.json", "report", report_case),
    ("doors.csv", "doors_export", export_doors),
    ("answers/", "answers", answers),
)


__all__ = [
    "OF_A_CASE",
    "OF_A_NEW_CASE",
    "allow_new_keys",
    "answer_list",
    "approve_reissue",
    "approve_revocation",
    "ask_to_lift",
    "cancel_reissue",
    "cancel_revocation",
    "confirm_reissue",
    "confirm_revocation",
    "contain_revocation",
    "count_keys",
    "export_case",
    "export_doors",
    "export_lines",
    "export_reissue",
    "keep_freeze",
    "lift_freeze",
    "new_freeze",
    "new_reissue",
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
    "show_lines",
    "show_reissue",
    "show_slots",
    "suspend_grant",
]
