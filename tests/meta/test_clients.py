"""Tests' clients are signed in as Django's own would be, in fewer statements."""

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests import clients
from tests.factories.accounts import PersonFactory, sign_in

pytestmark = pytest.mark.django_db


def told(client, user):
    """All that there is to see of it."""
    session, cookie = client.session, client.cookies["sessionid"]
    row = Session.objects.get(session_key=session.session_key)
    assert cookie.value == session.session_key
    user = User.objects.get(pk=user.pk)
    return (
        dict(session),
        {name: value for name, value in cookie.items() if name != "value"},
        len(session.session_key),
        row.expire_date.date(),
        user.last_login is not None,
        set(client.cookies),
        client.get("/accounts/").wsgi_request.user,
    )


def test_it_leaves_what_django_s_own_leaves():
    person = PersonFactory()
    ours, djangos = Client(), Client()
    with CaptureQueriesContext(connection) as asked:
        ours.force_login(person)
    assert len(asked) == 2  # the session, and when the person last came
    ours = told(ours, person)
    User.objects.update(last_login=None)
    clients.djangos_own(djangos, person)
    assert ours == told(djangos, person)
    assert ours[-1] == person


def test_each_has_a_session_of_its_own():
    one, two = Client(), Client()
    person = PersonFactory()
    one.force_login(person)
    two.force_login(person)
    assert one.session.session_key != two.session.session_key
    assert Session.objects.count() == 2


def test_whoever_comes_with_a_session_is_given_another():
    """By Django itself: nothing of who was there before is left."""
    client, person = Client(), PersonFactory()
    sign_in(client, PersonFactory())
    before = client.session.session_key
    client.force_login(person)
    assert client.session["_auth_user_id"] == str(person.pk)
    assert "account_authentication_methods" not in client.session
    assert not Session.objects.filter(session_key=before).exists()
