"""People who may freeze, and things to freeze."""

from portal.credentials.services import place_freeze
from tests.factories.reviews import staff

# How each level is found from a key.
TARGETS = {
    "everything": lambda key: "",
    "release": lambda key: key.grant.phase.release.ref,
    "phase": lambda key: key.grant.phase.ref,
    "organization": lambda key: key.grant.organization.ref,
    "person": lambda key: key.grant.holder.ref,
}


def responder(**fields):
    return staff("incident_responder", **fields)


def place(level="everything", target="", *, by=None, reason="Seen in a dump."):
    return place_freeze(level=level, target=target, reason=reason, by=by or responder())
