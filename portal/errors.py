"""What a service may refuse with. The edge turns each into a page, an admin message or
problem+json in one place (`portal.middleware`), so services never know about HTTP.
"""

from typing import ClassVar


class DomainError(Exception):
    """A refusal that a person can act upon.

    `code` is stable and machine-readable; `message` says in plain words what happened and what
    to do next. Neither may hold a secret or say whether something hidden exists.
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "That did not work"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Invalid(DomainError):
    """The input is malformed or incomplete; `fields` names what to correct (name to message)."""

    status = 400
    title = "Something needs correcting"

    def __init__(self, code: str, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.fields = fields or {}


class NotAllowed(DomainError):
    """A policy said no."""

    status = 403
    title = "You cannot do that"


class InvalidTransition(DomainError):
    """The state machine has no such edge from where the thing stands now."""

    status = 409
    title = "This has moved on"


class Conflict(DomainError):
    """Somebody else was first; looking again shows what is now true."""

    status = 409
    title = "Somebody else was first"


class Gone(DomainError):
    """It existed and its time is up."""

    status = 410
    title = "This is no longer available"


class Busy(DomainError):
    """What it needs is held by others for longer than anybody waits."""

    status = 503
    title = "This is busy just now"
