"""How many statements a page costs: the same for one row and for many."""

from django.db import connection
from django.test.utils import CaptureQueriesContext


def statements(client, path):
    """Ask for the page, which must be there, and return how many statements it took."""
    client.get(path)  # what is kept between requests is kept now
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)
