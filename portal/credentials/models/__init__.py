"""Grants and keys; cases of revocation."""

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

__all__ = [
    "Credential",
    "CredentialUse",
    "Epoch",
    "Freeze",
    "Grant",
    "Revocation",
    "RevocationExclusion",
    "RevocationItem",
    "RevocationLine",
    "RevocationParty",
    "RevocationProof",
    "UsageDay",
    "UsageReport",
]
