"""Constraints that several apps state: a fact and its author come in pairs."""

from django.db.models import CheckConstraint, Q


def both_or_neither(table: str, fact: str, author: str) -> CheckConstraint:
    """`fact` and `author` are both null or both set."""
    return CheckConstraint(
        name=f"{table}_{fact}_with_{author}",
        condition=Q(**{f"{fact}__isnull": True, f"{author}__isnull": True})
        | Q(**{f"{fact}__isnull": False, f"{author}__isnull": False}),
    )
