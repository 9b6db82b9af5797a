"""Grants and keys; cases of revocation, re-issues after them, threads about them."""

from portal.credentials.models.cases import (
    Revocation,
    RevocationExclusion,
    RevocationItem,
    RevocationLine,
    RevocationParty,
    RevocationProof,
    RevocationRound,
)
from portal.credentials.models.grants import (
    Credential,
    CredentialUse,
    Epoch,
    Freeze,
    Grant,
    UsageDay,
    UsageReport,
)
from portal.credentials.models.reissues import COUNTED, Reissue, ReissueItem
from portal.credentials.models.threads import CaseMessage, CaseThread

__all__ = [
    "COUNTED",
    "CaseMessage",
    "CaseThread",
    "Credential",
    "CredentialUse",
    "Epoch",
    "Freeze",
    "Grant",
    "Reissue",
    "ReissueItem",
    "Revocation",
    "RevocationExclusion",
    "RevocationItem",
    "RevocationLine",
    "RevocationParty",
    "RevocationProof",
    "RevocationRound",
    "UsageDay",
    "UsageReport",
]
