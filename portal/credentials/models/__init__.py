"""Grants and keys; cases of revocation, and re-issues after them."""

from portal.credentials.models.cases import (
    Revocation,
    RevocationExclusion,
    RevocationItem,
    RevocationLine,
    RevocationParty,
    RevocationProof,
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

__all__ = [
    "COUNTED",
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
    "UsageDay",
    "UsageReport",
]
