"""How staff narrow lists of what belongs to a release."""

from typing import Any

from django.http import HttpRequest

from portal.admin_lists import Choice
from portal.programs.models import ModelRelease


class ReleaseFilter(Choice):
    """Where there are several."""

    title, parameter_name, lookup = "release", "release", "release__ref"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        releases = list(ModelRelease.objects.values_list("ref", "name"))
        return releases if len(releases) > 1 else []
