"""Constraints that several apps state, and which one refused a row."""

from django.db import IntegrityError
from django.db.models import CheckConstraint, Q
from psycopg import errors


def both_or_neither(table: str, fact: str, author: str) -> CheckConstraint:
    """`fact` and `author` are both null or both set."""
    return CheckConstraint(
        name=f"{table}_{fact}_with_{author}",
        condition=Q(**{f"{fact}__isnull": True, f"{author}__isnull": True})
        | Q(**{f"{fact}__isnull": False, f"{author}__isnull": False}),
    )


def refused_by(error: IntegrityError) -> str:
    """The name of the constraint that refused a row; empty where the database names none.

    Only one that a service knows is something to tell people; any other is a fault of ours.
    """
    cause = error.__cause__
    return (isinstance(cause, errors.IntegrityError) and cause.diag.constraint_name) or ""
