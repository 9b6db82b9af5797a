"""Where a session is used is noted at once, and when to the minute."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories.accounts import PersonFactory

pytestmark = pytest.mark.django_db
PAGE = "/.well-known/security.txt"


@pytest.fixture
def person(client):
    person = PersonFactory()
    client.force_login(person)
    return person


def seen(client):
    """What is known of this session, and whether it was seen a moment ago."""
    row = UserSession.objects.get(session_key=client.session.session_key)
    is_new = timezone.now() - row.last_seen_at < timedelta(seconds=30)
    return row.user, row.ip, row.user_agent, is_new


def let_pass(seconds):
    UserSession.objects.update(last_seen_at=timezone.now() - timedelta(seconds=seconds))


def writes(client, **asked):
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE, **asked)
    return [each["sql"].split()[0] for each in captured if "usersessions" in each["sql"]]


def test_a_new_session_is_noted_and_one_noted_within_a_minute_only_looked_at(client, person):
    assert writes(client, headers={"User-Agent": "Lynx"}) == ["SELECT", "INSERT"]
    assert seen(client) == (person, "127.0.0.1", "Lynx", True)
    let_pass(50)
    assert writes(client, headers={"User-Agent": "Lynx"}) == ["SELECT"]
    assert seen(client) == (person, "127.0.0.1", "Lynx", False)


def test_after_a_minute_it_is_noted_again(client, person):
    client.get(PAGE)
    let_pass(61)
    assert writes(client) == ["SELECT", "INSERT"]
    assert seen(client) == (person, "127.0.0.1", "", True)


@pytest.mark.parametrize(
    ("asked", "noted"),
    [
        ({"REMOTE_ADDR": "192.0.2.7"}, ("192.0.2.7", "")),
        ({"HTTP_USER_AGENT": "W3m " * 100}, ("127.0.0.1", ("W3m " * 100)[:200])),
    ],
)
def test_another_address_or_browser_is_noted_at_once(client, person, asked, noted):
    client.get(PAGE)
    client.get(PAGE, **asked)
    assert seen(client) == (person, *noted, True)
    assert writes(client, **asked) == ["SELECT"]


def test_a_session_is_theirs_who_are_signed_in_now(client, person):
    client.get(PAGE)
    other = PersonFactory()
    UserSession.objects.update(user=other)
    client.get(PAGE)
    assert seen(client)[0] == person


def test_nobody_is_noted():
    Client().get(PAGE)
    assert not UserSession.objects.exists()
