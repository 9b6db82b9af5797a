"""What staff's lists may be narrowed by."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest


class Offered(ChangeList):
    """Takes from the address what its filters offer, and nothing else.

    Django's own takes a condition on any column of the table, shown or not: whoever may look at
    the list of people would find the hash of a password letter by letter, from how many rows are
    left, and whoever may not read what an event holds would ask for it.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what no filter took, as Django refuses what is no column."""
        found = super().get_filters(request)
        untaken = found[2]
        if untaken:
            raise IncorrectLookupParameters(*untaken)
        return found


class OfferedOnly(admin.ModelAdmin):
    """A list in the admin begins with this, or with portal.admin_buttons.PublicIds."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Offered
