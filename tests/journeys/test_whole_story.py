"""Sign up, apply, approve as two reviewers, claim, call, revoke, be refused: over real HTTP."""

import shutil

import pytest

from portal.audit.selectors import timeline
from portal.credentials.models import Credential
from tests.factories import stories
from tests.faults.oracle import assert_all_in_order, assert_nothing_unfinished
from tests.journeys import whole_story as story
from tests.journeys.test_nginx import (
    bearer,
    call,
    configure,
    model,  # noqa: F401 - a fixture
)
from tests.processes import free_port, process, until, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def edge(model, tmp_path):  # noqa: F811 - the fixture
    """edge(portal) runs nginx with the documented configuration; None where there is none."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    running = []

    def start(portal):
        if nginx is None:
            return None
        port = free_port()
        configure(tmp_path, int(portal.address.rpartition(":")[2]), model, port, portal.credentials)
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        running.append(process([*command, "-e", str(tmp_path / "error.log")], {}))
        wait_for(f"http://127.0.0.1:{port}/", running[-1].__enter__())
        return type("Edge", (), {"port": port})

    yield start
    for each in running:
        each.__exit__(None, None, None)


def through_nginx(edge, token):
    return call(edge, [bearer(token)])[0] if edge else None


def test_from_a_stranger_s_sign_up_to_a_refused_key(worker, edge):
    worker.start()
    with story.a_portal() as portal:
        nginx = edge(portal)
        ada = story.sign_up(portal)
        application = story.apply(portal, ada)
        story.review_and_approve(portal, application)

        until(lambda: Credential.objects.filter(status="ready").exists())
        assert Credential.objects.get().kid in story.mailed("ready").body
        token, curl = story.claim(portal, ada)

        assert story.authorized(portal, token) == 200
        status, answer = story.run_curl(curl)
        assert (status, answer["object"]) == (200, "response")
        assert through_nginx(nginx, token) in (200, None)

        case = story.revoke_in_bulk(portal)
        assert story.authorized(portal, token) == 401
        assert story.run_curl(curl)[0] == 401
        assert through_nginx(nginx, token) in (401, None)
        until(lambda: stories.again(case).status == "completed")
        assert "revoked" in story.mailed("revoked").subject.lower()
        assert "revoked" in ada.get("/access/").words().lower()

    kinds = list(timeline(application.ref).order_by("id").values_list("kind", flat=True))
    assert kinds == [
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
        "credential.revoked",
    ]
    assert_all_in_order()
    assert_nothing_unfinished()
