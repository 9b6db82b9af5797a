"""Every change to grants, credentials and revocations, split by verb."""

from portal.credentials.services.answering import (
    handle_answer,
    reopen_answer,
    reply_about_case,
    write_about_case,
)
from portal.credentials.services.claiming import claim_credential
from portal.credentials.services.cohorts import issue_waiting
from portal.credentials.services.confirming import (
    approve_revocation,
    cancel_revocation,
    contain_revocation,
    pause_revocation,
    resume_revocation,
    start_revocation,
)
from portal.credentials.services.epochs import forget_epochs
from portal.credentials.services.finishing import finish_revocation
from portal.credentials.services.freezing import (
    ask_to_lift,
    keep_freeze,
    lift_freeze,
    place_freeze,
)
from portal.credentials.services.granting import (
    accept_offer,
    allow_new_keys,
    open_grant,
    reserve_place,
    resume_grant,
    suspend_grant,
    withdraw_grant,
)
from portal.credentials.services.issuing import (
    issue_credential,
    note_issue_failure,
    request_credential,
    retry_activation,
)
from portal.credentials.services.naming import rename_credential
from portal.credentials.services.noting import note_spent_cases
from portal.credentials.services.previewing import preview_revocation, reissue_word_of, word_of
from portal.credentials.services.proving import prove_revocation
from portal.credentials.services.rehearsing import make_test_credential
from portal.credentials.services.reissuing import (
    approve_reissue,
    cancel_reissue,
    preview_reissue,
    start_reissue,
)
from portal.credentials.services.reminding import remind_of_expiry
from portal.credentials.services.revoking import (
    revoke_by_possession,
    revoke_credential,
    revoke_grant,
)
from portal.credentials.services.rotating import rotate_credential, start_overlap
from portal.credentials.services.slot_making import finish_reissue
from portal.credentials.services.timing import close_what_is_over
from portal.credentials.services.usage import Usage, forget_reports, record_usage

__all__ = [
    "Usage",
    "accept_offer",
    "allow_new_keys",
    "approve_reissue",
    "approve_revocation",
    "ask_to_lift",
    "cancel_reissue",
    "cancel_revocation",
    "claim_credential",
    "close_what_is_over",
    "contain_revocation",
    "finish_reissue",
    "finish_revocation",
    "forget_epochs",
    "forget_reports",
    "handle_answer",
    "issue_credential",
    "issue_waiting",
    "keep_freeze",
    "lift_freeze",
    "make_test_credential",
    "note_issue_failure",
    "note_spent_cases",
    "open_grant",
    "pause_revocation",
    "place_freeze",
    "preview_reissue",
    "preview_revocation",
    "prove_revocation",
    "record_usage",
    "reissue_word_of",
    "remind_of_expiry",
    "rename_credential",
    "reopen_answer",
    "reply_about_case",
    "request_credential",
    "reserve_place",
    "resume_grant",
    "resume_revocation",
    "retry_activation",
    "revoke_by_possession",
    "revoke_credential",
    "revoke_grant",
    "rotate_credential",
    "start_overlap",
    "start_reissue",
    "start_revocation",
    "suspend_grant",
    "withdraw_grant",
    "word_of",
    "write_about_case",
]
