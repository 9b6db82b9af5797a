"""Gateways: the machines allowed to ask whether a key is good."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from portal.constraints import both_or_neither
from portal.programs.models import ModelRelease
from portal.references import new_reference


class Gateway(models.Model):
    """A registered caller of introspection and forward-auth, for one release only.

    `client_id` is public; of the client secret only a keyed hash is kept.
    """

    client_id = models.CharField(max_length=16, unique=True, default=partial(new_reference, "GW"))
    name = models.CharField(max_length=100)
    release = models.ForeignKey(ModelRelease, models.PROTECT, related_name="gateways")
    sandbox = models.BooleanField(default=False, help_text="Also takes test keys")
    digest = models.BinaryField(editable=False)
    pepper_version = models.PositiveSmallIntegerField(editable=False)
    registered_at = models.DateTimeField(default=timezone.now, editable=False)
    registered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, editable=False, related_name="+"
    )
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        ordering = ("name",)
        permissions: ClassVar = [("manage_gateways", "Can register and disable gateways")]
        constraints: ClassVar = [
            models.UniqueConstraint(Upper("name"), name="gateway_name_once"),
            both_or_neither("gateway", "disabled_at", "disabled_by"),
        ]

    def __str__(self) -> str:
        return self.name
