"""What is found once and stays so, written down for those who would look again and again."""

from django.db.models import QuerySet
from django.utils import timezone

from portal.credentials.contained import CONTAINED_NOW, is_spent
from portal.credentials.models import Revocation


def note_spent_cases() -> int:
    """Of each contained case of which nothing is left to decide, note that; returns how many.

    A case at a time, with no lock while its keys are looked at: whoever decides about one does not
    wait, and what was noted stays when looking at the next takes too long.
    """
    return sum(_note(case) for case in _contained().order_by("contained_at") if is_spent(case))


def _note(case: Revocation) -> int:
    """Unless it has been decided in between."""
    return _contained().filter(pk=case.pk).update(spent_at=timezone.now())


def _contained() -> QuerySet[Revocation]:
    return Revocation.objects.filter(CONTAINED_NOW, spent_at=None)
