"""The append-only log. Only `portal.audit` imports this module."""

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

# The one kind that comes by the hundred thousand while a responder waits. Of each such event the
# entry by subject would go to a place of its own, so their index leaves them out: they are looked
# for by the file, which the key's other events name.
BY_THEIR_FILE = "credential.revoked"


class Event(models.Model):
    """One thing that happened. No foreign keys: the log outlives what it speaks of.

    `subject` is the public reference (or kid) of what changed; `thread` of the file it belongs
    to, whose timeline shows it; `actor` a user's reference, or `system:<what>`. Names, e-mail
    addresses and free text never stand here, so a person can be erased and the proof stays.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    # References and kinds are ASCII. Compared as bytes, whatever the database's language: of what
    # a bulk revocation costs, comparing them otherwise would be a sixth.
    kind = models.CharField(max_length=64, db_collation="C")
    actor = models.CharField(max_length=32, db_collation="C")
    subject = models.CharField(max_length=32, db_collation="C")
    thread = models.CharField(max_length=32, db_collation="C")
    request_id = models.CharField(max_length=36, blank=True)
    payload = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            # Without the id, which would make every entry another one: so the thousands a bulk
            # revocation writes share their entries, and a row costs half of what it did. Of a
            # rare kind the few rows are sorted; of a frequent one the newest are found by id.
            models.Index(fields=["thread"], name="event_by_thread"),
            models.Index(
                fields=["subject"],
                condition=~models.Q(kind=BY_THEIR_FILE),
                name="event_by_subject_not_revoked",
            ),
            # One for both, as each costs a bulk revocation as much as its key does: one person's
            # acts are looked for among all kinds that are known (selectors.search).
            models.Index(fields=["kind", "actor"], name="event_by_kind_and_actor"),
            # Rows come in the order of time, so a few kilobytes say where a day lies.
            BrinIndex(fields=["at"], name="event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
