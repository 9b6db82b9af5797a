"""After the whole story no key stands anywhere but with its holder.

The search first has to find keys that are planted in each store, as the portal itself would put
them there.
"""

import sys

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache

from portal.credentials.models import Credential
from portal.credentials.secrets import mint, new_kid
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.journeys import stores
from tests.journeys import whole_story as story
from tests.journeys.stores import finds, finds_a_key
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


def secret_of(token):
    return token.rpartition("_")[2][:43]


def test_no_key_is_in_any_store(worker, capfd):
    with stores.everything_the_broker_is_told() as told:
        worker.start()
        with story.a_portal() as portal:
            ada = story.sign_up(portal)
            application = story.apply(portal, ada)
            story.review_and_approve(portal, application)
            until(lambda: Credential.objects.filter(status="ready").exists())
            token, curl = story.claim(portal, ada)
            assert story.authorized(portal, token) == 200
            assert story.run_curl(curl)[0] == 200
            # Where it should not be: the portal notes the leak, and keeps no copy of it.
            ada.get(f"/gateway/authorize?scope=model:infer&key={token}")
            ada.get(f"/applications/?key={token}")
            case = story.revoke_in_bulk(portal)
            until(lambda: stories.again(case).status == "completed")
            story.mailed("revoked")
        worker.stop()
    logs = "".join(capfd.readouterr()).encode()
    kept = {
        "PostgreSQL": stores.database(),
        "broker": stores.broker(),
        "what the broker was told": b"\n".join(told),
        "files": stores.files(),
        "logs": logs,
    }
    kid = token.split("_")[2]
    # These are the right places: each of them does speak of this key, by its public id.
    assert {name for name in ("PostgreSQL", "files") if finds(kid, kept[name])} == {
        "PostgreSQL",
        "files",
    }
    assert finds("credentials.issue", kept["what the broker was told"])
    found = {
        name: (finds(token, held), finds(secret_of(token), held), finds_a_key(held))
        for name, held in kept.items()
    }
    assert found == dict.fromkeys(kept, (False, False, None))


def plant_in_a_row(token):
    OutgoingMail.objects.create(to=story.ADA, template="x/y", context={"words": token})
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
    assert (finds(token, held), finds(secret_of(token), held), finds_a_key(held)) == (
        True,
        True,
        token,
    )


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
        client.set("planted", token)
        client.delete("planted")
        until(lambda: any(b"DEL" in line for line in told))
    sys.stderr.write(f"{token}\n")
    logs = "".join(capfd.readouterr()).encode()
    assert (finds(token, b"\n".join(told)), finds(token, logs)) == (True, True)
