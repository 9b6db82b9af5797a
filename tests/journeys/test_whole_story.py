"""Sign up, apply, approve as two reviewers, claim, call, revoke, be refused: over real HTTP.

Afterwards the books balance, and no key stands anywhere but with its holder.
"""

from types import SimpleNamespace

import pytest

from portal.audit.selectors import timeline
from portal.credentials.models import Credential
from tests.factories import stories
from tests.faults.oracle import assert_all_in_order, assert_nothing_unfinished
from tests.journeys import stores
from tests.journeys import whole_story as story
from tests.journeys.stores import finds
from tests.journeys.test_nginx import (
    bearer,
    call,
    configure,
    find_nginx,
    model,  # noqa: F401 - a fixture
)
from tests.processes import free_port, process, until, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def edge(model, tmp_path):  # noqa: F811 - the fixture
    """edge(portal) runs nginx with the documented configuration; None where there is none."""
    nginx, running = find_nginx(), []

    def start(portal):
        if nginx is None:
            return None
        port = free_port()
        configure(tmp_path, int(portal.address.rpartition(":")[2]), model, port, portal.credentials)
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        running.append(process([*command, "-e", str(tmp_path / "error.log")], {}))
        wait_for(f"http://127.0.0.1:{port}/", running[-1].__enter__())
        return SimpleNamespace(port=port)

    yield start
    for each in running:
        each.__exit__(None, None, None)


def test_from_a_stranger_s_sign_up_to_a_refused_key(worker, edge, capfd):
    with stores.everything_the_broker_is_told() as told:
        worker.start()
        with story.a_portal() as portal:
            nginx = edge(portal)

            def doors(token, curl):
                """What each way in says of the key: the check, the sandbox, nginx."""
                through_nginx = call(nginx, [bearer(token)])[0] if nginx else None
                return story.authorized(portal, token), story.run_curl(curl)[0], through_nginx

            ada = story.sign_up(portal)
            application = story.apply(portal, ada)
            story.review_and_approve(portal, application)
            until(lambda: Credential.objects.filter(status="ready").exists())
            assert Credential.objects.get().kid in story.mailed("ready").body
            token, curl = story.claim(portal, ada)
            assert doors(token, curl) == (200, 200, 200 if nginx else None)
            assert story.run_curl(curl)[1]["object"] == "response"

            # Where it should not be: the portal notes the leak, and keeps no copy of it.
            ada.get(f"/gateway/authorize?scope=model:infer&key={token}")
            ada.get(f"/applications/?key={token}")
            ada.get(f"/access/{token}/")

            case = story.revoke_in_bulk(portal)
            assert doors(token, curl) == (401, 401, 401 if nginx else None)
            until(lambda: stories.again(case).status == "completed")
            assert "revoked" in story.mailed("revoked").subject.lower()
            assert "revoked" in ada.get("/access/").words().lower()
        worker.stop()

    assert happened_to(application) == STORY
    assert_all_in_order()
    assert_nothing_unfinished()
    kept = {
        "PostgreSQL": stores.database(),
        "broker": stores.broker(),
        "what the broker was told": b"\n".join(told),
        "files": stores.files(),
        "logs": "".join(capfd.readouterr()).encode(),
    }
    assert_no_trace(token, kept)
    if nginx is None:
        pytest.skip("NO NGINX: all of the story went well but for the calls through nginx.")


def assert_no_trace(token, kept):
    # These are the right places: each of them does speak of this key or of this story.
    kid = token.split("_")[2]
    assert {name: finds(word, kept[name]) for name, word in SPOKEN_OF.items()} == dict.fromkeys(
        SPOKEN_OF, True
    )
    assert [finds(kid, kept[name]) for name in ("PostgreSQL", "files")] == [True, True]
    found = {name: stores.traces(token, held) for name, held in kept.items()}
    assert found == dict.fromkeys(kept, stores.NO_TRACE)


def happened_to(application):
    return list(timeline(application.ref).order_by("id").values_list("kind", flat=True))


SPOKEN_OF = {"what the broker was told": "credentials.issue", "logs": "/access/tpk_live_[redacted]"}
STORY = [
    "application.started",
    "application.submitted",
    "review.assigned",
    "application.taken_into_review",
    "review.recorded",
    "review.recorded",
    "review.decided",
    "application.approved",
    "application.granted",
    "grant.opened",
    "credential.requested",
    "grant.activated",
    "credential.ready",
    "credential.claimed",
    "credential.leak_suspected",
    "credential.revoked",
]
