"""What an exception says to whoever asked, when it says anything to them."""

from django.db import OperationalError
from psycopg.errors import LockNotAvailable, QueryCanceled

from portal.errors import Busy, DomainError


def refusal_of(error: Exception) -> DomainError | None:
    """The refusal itself; or that it is busy, for a lock or an answer that PostgreSQL gave up
    waiting for (lock_timeout, statement_timeout). None for whatever is a fault of ours.
    """
    if isinstance(error, DomainError):
        return error
    if not isinstance(error, OperationalError):
        return None
    if not isinstance(error.__cause__, LockNotAvailable | QueryCanceled):
        return None
    return Busy("busy", "Somebody else is changing the same thing. Try again in a few seconds.")
