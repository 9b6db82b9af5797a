"""People who may freeze, and things to freeze."""

from django.db import connection

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


def from_a_prompt():
    """Everything, by the line of SQL for the day the web tier is down; returns the freeze's ref."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze('everything')")
        return cursor.fetchone()[0]
