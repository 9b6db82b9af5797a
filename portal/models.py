"""Rows that belong to no app."""

from typing import ClassVar

from django.db import models


class Heartbeat(models.Model):
    """When somebody without whom nothing gets finished was last seen; see portal.heartbeats."""

    name = models.CharField(max_length=20, primary_key=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
