"""The search for keys finds those that are planted, as the portal itself would put them there.

What is searched with it: the stores after the whole story and after every fault.
"""

import sys

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache

from portal.credentials.secrets import mint, new_kid
from portal.mail.models import OutgoingMail
from tests.factories.credentials import CredentialFactory
from tests.journeys import stores
from tests.journeys.stores import finds, traces
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


def plant_in_a_row(token):
    OutgoingMail.objects.create(to="ada@example.org", template="x/y", context={"words": token})
    return stores.database


def plant_in_a_column_of_bytes(token):
    CredentialFactory(digest=token.encode())
    return stores.database


def plant_in_a_session(token):
    session = SessionStore()
    session["shown"] = token
    session.save()
    return stores.database


def plant_in_the_cache(token):
    cache.set("shown", {"token": token})
    return stores.database


def plant_in_a_message(token):
    current_app.send_task("credentials.issue", args=[token])
    return stores.broker


def plant_in_redis(token):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.hset("planted", "token", token)
    return stores.broker


def plant_in_a_file(token):
    folder = settings.DATA_DIR / "mail"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "planted.log").write_text(f"Your key: {token}\n")
    return stores.files


@pytest.mark.parametrize(
    "plant",
    [
        plant_in_a_row,
        plant_in_a_column_of_bytes,
        plant_in_a_session,
        plant_in_the_cache,
        plant_in_a_message,
        plant_in_redis,
        plant_in_a_file,
    ],
)
def test_the_search_finds_what_is_planted(plant, request):
    token = mint(new_kid()).token
    request.addfinalizer(uproot)
    held = plant(token)()
    assert traces(token, held) == (True, True, token)


def uproot():
    current_app.control.purge()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("planted")
    (settings.DATA_DIR / "mail" / "planted.log").unlink(missing_ok=True)


def test_the_search_finds_what_is_said_to_the_broker_and_to_the_log(capfd):
    token = mint(new_kid()).token
    with (
        stores.everything_the_broker_is_told() as told,
        redis.Redis.from_url(settings.REDIS_URL) as client,
    ):
        say_to_another_database("planted by another test")
        client.set("planted", token)
        client.delete("planted")
        until(lambda: any(b"DEL" in line for line in told))
    assert not finds("planted by another test", b"\n".join(told))
    sys.stderr.write(f"{token}\n")
    logs = "".join(capfd.readouterr()).encode()
    assert (finds(token, b"\n".join(told)), finds(token, logs)) == (True, True)


def say_to_another_database(word):
    with redis.Redis.from_url(settings.REDIS_URL, single_connection_client=True) as client:
        client.select(0 if client.get_connection_kwargs().get("db", 0) else 1)
        client.echo(word)
