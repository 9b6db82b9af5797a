"""How many statements a page costs: the same for one row and for many. And having no database."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import prepared


def statements(client, path):
    """Ask for the page, which must be there, and return how many statements it took."""
    client.get(path)  # what is kept between requests is kept now
    return answered(client, path)[1]


def answered(client, path):
    """The same of a page that was asked for before, with the answer before it."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
    assert answer.status_code == 200
    return answer, len(captured)


@contextmanager
def no_database():
    """As when PostgreSQL is stopped: nobody listens where it is looked for. Needs a test without
    a transaction around it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", "1")
        # What doors ask on, too: a browser in this process may have led them to another.
        prepared._drop()
        yield
    prepared._drop()
