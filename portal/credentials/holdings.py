"""The access page's content: what is desired beside what is enforced, never a mystery."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import User
from portal.credentials.case_threads import cases_that_revoked
from portal.credentials.enums import CredentialStatus, DenyCode, GrantStatus, KeyKind
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.policies import (
    can_request_credential,
    can_withdraw_grant,
    has_room_for_test_key,
    key_is_rotatable,
    slot_is_claimable,
)
from portal.credentials.selectors import kept_organizations
from portal.credentials.targets import STOPPED_SLOT, barred_grants, stopped_by_cases
from portal.credentials.usage import Use, use_of
from portal.credentials.verification import explain_many
from portal.verdict import Verdict

# Why somebody was frozen is never told: what is told is true of every freeze.
_PAUSED = (
    "Nothing is asked of you, and nothing about your access was changed or lost."
    " The same keys work again when the programme ends the pause."
)

# What to do about a refusal, where there is something to do. (words, url name or nothing)
ADVICE: dict[str, str] = {
    DenyCode.AGREEMENT_NOT_CURRENT: "Read and sign the new terms; your keys work again at once.",
    DenyCode.PHASE_HALTED: "Nothing is asked of you. Keys work again when the phase goes on.",
    DenyCode.NOT_A_MEMBER: "An owner of the organisation can invite you again.",
    DenyCode.ORGANIZATION_NOT_ACTIVE: "An owner of your organisation can write to us.",
    DenyCode.HOLDER_NOT_ACTIVE: "Write to us to have the account back.",
    DenyCode.GRANT_NOT_ACTIVE: "A suspended grant can come back: write to us.",
    DenyCode.GRANT_OUT_OF_DATES: "Apply again to go on.",
    DenyCode.KEY_EXPIRED: "Ask for another key and claim it.",
    DenyCode.KEY_REVOKED: "A revoked key stays revoked; the grant itself may go on.",
    DenyCode.KEY_NOT_ACTIVE: "Claim it first if it is ready, or ask for another.",
    DenyCode.FROZEN_PERSON: _PAUSED,
    DenyCode.FROZEN_ORGANIZATION: _PAUSED,
    DenyCode.FROZEN_PHASE: _PAUSED,
    DenyCode.FROZEN_RELEASE: _PAUSED,
    DenyCode.FROZEN_EVERYTHING: _PAUSED,
    DenyCode.WRONG_KIND: "Use a live key there, or call the sandbox.",
    DenyCode.SCOPE_NOT_HELD: "Ask for this capability in an application.",
}


_SLOTS = (CredentialStatus.REQUESTED, CredentialStatus.READY)


@dataclass(frozen=True)
class Key:
    """One key and what a gateway would say about it now."""

    credential: Credential
    verdict: Verdict
    claimable: Verdict
    rotatable: Verdict
    replaced_by: Credential | None  # the key in its place, while that one is in use
    stopped: bool = False  # by a case, before anybody has claimed it
    case: Revocation | None = None  # that revoked it

    @property
    def blocked(self) -> bool:
        """Neither revoked nor over, claimed, and refused all the same."""
        in_use = self.credential.status == CredentialStatus.ACTIVE
        return in_use and not self.verdict and self.verdict.code != DenyCode.KEY_EXPIRED

    @property
    def unclaimed(self) -> bool:
        """Refused only because nobody has claimed it yet."""
        return self.credential.status in _SLOTS and not self.stopped

    @property
    def advice(self) -> str:
        return ADVICE.get(self.verdict.code, "")


@dataclass(frozen=True)
class Holding:
    """One grant as its holder, or a contact of its organisation, sees it."""

    grant: Grant
    keys: list[Key]
    past: list[Key]
    use: Use
    mine: bool
    can_request: Verdict
    can_test: Verdict
    can_withdraw: bool

    @property
    def preparing(self) -> bool:
        """A worker has something to finish: look again in a moment."""
        waiting = any(key.credential.status == CredentialStatus.REQUESTED for key in self.keys)
        return waiting or self.grant.status == GrantStatus.ACTIVATING

    @property
    def blocked(self) -> Key | None:
        return next((key for key in self.keys if key.blocked), None)

    @property
    def revoked_by(self) -> Revocation | None:
        """The newest case that revoked keys of it, while there is no live key instead."""
        if any(key.credential.kind == KeyKind.LIVE for key in self.keys):
            return None
        cases = [key.case for key in self.past if key.case]
        return max(cases, key=lambda case: case.pk, default=None)

    @property
    def unsigned(self) -> bool:
        """Whether signing the new terms is what would help."""
        key = self.blocked
        return key is not None and key.verdict.code == DenyCode.AGREEMENT_NOT_CURRENT


def holdings(grants: Iterable[Grant], user: User) -> list[Holding]:
    """The grants with their keys, each judged by the one decision function; seven statements."""
    grants = list(grants)
    keys = [key for grant in grants for key in grant.credentials.all()]
    kids = [key.kid for key in keys]
    stopped = stopped_by_cases(key.pk for key in keys)
    cases = cases_that_revoked(key.pk for key in keys if key.status == CredentialStatus.REVOKED)
    verdicts, barred, use = explain_many(kids), barred_grants(grants), use_of(grants)
    kept = set(kept_organizations(user))
    return [
        _holding(
            grant,
            user,
            verdicts,
            use[grant.pk],
            stopped,
            cases=cases,
            barred=grant.pk in barred,
            keeps=grant.holder_id == user.pk or grant.organization_id in kept,
        )
        for grant in grants
    ]


def _holding(
    grant: Grant,
    user: User,
    verdicts: dict[str, Verdict],
    use: Use,
    stopped: set[int],
    *,
    cases: dict[int, Revocation],
    barred: bool,
    keeps: bool,
) -> Holding:
    asked = {"barred": barred, "keeps": keeps}
    keys = [
        _key(
            key,
            grant,
            user,
            verdicts[key.kid],
            stopped=key.pk in stopped,
            case=cases.get(key.pk),
            **asked,
        )
        for key in grant.credentials.all()
    ]
    return Holding(
        grant=grant,
        keys=[key for key in keys if key.credential.is_live],
        past=[key for key in keys if not key.credential.is_live],
        use=use,
        mine=grant.holder_id == user.pk,
        can_request=can_request_credential(user, grant, **asked),
        can_test=has_room_for_test_key(user, grant, **asked),
        can_withdraw=grant.status in _GIVE_UP and bool(can_withdraw_grant(user, grant)),
    )


def _key(
    credential: Credential,
    grant: Grant,
    user: User,
    verdict: Verdict,
    *,
    stopped: bool,
    case: Revocation | None,
    barred: bool,
    keeps: bool,
) -> Key:
    credential.grant = grant
    stopped = stopped and credential.status in _SLOTS
    return Key(
        credential=credential,
        verdict=verdict,
        claimable=STOPPED_SLOT if stopped else slot_is_claimable(user, credential, keeps=keeps),
        rotatable=key_is_rotatable(user, credential, barred=barred, keeps=keeps),
        replaced_by=_in_place_of(credential, grant),
        stopped=stopped,
        case=case,
    )


def _in_place_of(credential: Credential, grant: Grant) -> Credential | None:
    active = (key for key in grant.credentials.all() if key.status == CredentialStatus.ACTIVE)
    return next((key for key in active if key.replaces_id == credential.pk), None)


_GIVE_UP = (GrantStatus.SCHEDULED, GrantStatus.ACTIVATING, GrantStatus.ACTIVE)
