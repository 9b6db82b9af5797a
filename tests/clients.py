"""How a test's client comes to be signed in, and at once."""

from django.contrib.auth import login as django_login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client

djangos_own = Client._login


class _Written(SessionStore):
    """Written by `write`, once it holds all it is to hold, and not before."""

    key_salt = SessionStore().key_salt  # else its like could not read it

    def create(self):
        self._session_key = self._get_new_session_key()
        self.modified = True

    def exists(self, session_key):
        """Nobody has drawn these 32 letters before; if somebody had, writing would fail."""
        return False

    def write(self):
        self.create_model_instance(self._session).save(force_insert=True)


def login(client, user, backend=None):
    """In place of Django's, which for a client without a session writes an empty one first, then
    another in its place, then what it is to hold: eighteen statements, where two do.
    """
    if client.cookies:
        return djangos_own(client, user, backend)
    request = HttpRequest()
    request.session = _Written()
    django_login(request, user, backend)
    request.session.write()
    return client._set_login_cookies(request)
