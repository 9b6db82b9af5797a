"""The answer of a policy: yes, or no with a reason.

Buttons ask it (`{% if verdict %}`), services enforce it; both see the same sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Verdict:
    """Truthy when allowed. `code` is stable; `reason` is for people and says what to do next."""

    allowed: bool
    code: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed

    def enforce(self) -> None:
        """Raise NotAllowed with this verdict's code and reason unless it is a yes."""
        if not self.allowed:
            raise self.refusal()

    def refusal(self) -> NotAllowed:
        """What enforce() raises for a no."""
        return NotAllowed(self.code, self.reason)


def allow() -> Verdict:
    return Verdict(allowed=True)


def deny(code: str, reason: str) -> Verdict:
    return Verdict(allowed=False, code=code, reason=reason)
