"""The portal and gateways that judge by themselves, each a process of its own, as in production."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from access_verifier import Code, Verifier
from portal.variables import new_signing_key, read_signing_keys
from tests.factories.accounts import UserFactory
from tests.factories.gateway import make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.factories.tokens import signed, unpacked
from tests.journeys.offline import (
    AT_WORST,
    HERE,
    SLACK,
    SOON,
    STOPS,
    WIDE,
    Stream,
    World,
    all_say,
    call,
    calls,
    gateway,
    health,
    lift,
    send,
)
from tests.processes import free_port, until

PACE = 0.02  # seconds between two calls of whoever calls without end
GIVEN_BACK = 12.0  # seconds: the status list is kept for five here and for five at a gateway
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world():
    release = ModelReleaseFactory()
    staff = UserFactory(is_staff=True, is_superuser=True)
    return World(release, staff, free_port(), make_gateway(release), [])


def test_whatever_is_stopped_is_refused_within_three_seconds_and_nothing_else(world):
    with world.portal(), world.gateways() as gateways:
        stays = world.key()
        other = world.token(stays)
        assert calls(gateways, other) == [200, 200]
        assert calls(gateways, other + "x") == [401, 401]
        for name, stop in STOPS.items():
            key = world.key()
            token = world.token(key)
            assert (name, calls(gateways, token)) == (name, [200, 200])
            stop(key[0], world.staff)
            until(all_say(gateways, token, 401), SOON)
            assert (name, calls(gateways, other)) == (name, [200, 200])
        for name, stop in WIDE.items():
            token = world.token(stays)
            until(all_say(gateways, token, 200), GIVEN_BACK)
            stop(stays[0], world.staff)
            until(all_say(gateways, token, 401), SOON)
            lift()
            # What was issued before is not let in again; what is issued from now on is.
            until(lambda: calls(gateways, world.token(stays)) == [200, 200], GIVEN_BACK)
            assert (name, calls(gateways, token)) == (name, [401, 401])


def test_the_configuration_of_the_handbook_works_as_pasted(world, tmp_path):
    page = (HERE.parents[1] / "docs" / "gateways" / "README.md").read_text()
    pasted = page.partition("## Offline gateways")[2].partition("```python")[2].partition("```")[0]
    (tmp_path / "offline_gateway.py").write_text(pasted)
    assert "granian --interface wsgi --port 9000 --blocking-threads 4 offline_gateway:" in page
    env = world.environment(tmp_path)
    with world.portal(), gateway("wsgi", env, "offline_gateway:application") as address:
        key = world.key()
        token = world.token(key)
        until(all_say([address], token, 200))
        said = send(address, {"Authorization": f"Bearer {token}"})[1]
        assert said == f"Hello {key[0].grant.holder.ref}, by key {key[0].kid}.\n"
        STOPS["person frozen"](key[0], world.staff)
        until(all_say([address], token, 401), SOON)


def test_a_long_answer_is_cut_after_a_revocation(world):
    with world.portal(), world.gateways() as (by_wsgi, by_asgi):
        revoked, stays = world.key(), world.key()
        token, other = world.token(revoked), world.token(stays)
        places = {"wsgi": (by_wsgi, "/ticks"), "asgi": (by_asgi, "/ticks")}
        ticking = {kind: Stream(*place, token) for kind, place in places.items()}
        silent = Stream(by_asgi, "/silence", token)
        going_on = Stream(by_asgi, "/ticks", other)
        streams = [*ticking.values(), silent, going_on]
        until(lambda: all(stream.heard for stream in streams))
        STOPS["key revoked"](revoked[0], world.staff)
        began = time.monotonic()
        until(lambda: all(stream.ended_at for stream in ticking.values()), SOON)
        until(lambda: silent.ended_at, 10 + SOON)
        assert silent.ended_at - began <= 10 + SOON
        heard = going_on.heard
        until(lambda: going_on.heard > heard)
        assert going_on.ended_at is None
        STOPS["organisation suspended"](stays[0], world.staff)
        until(lambda: going_on.ended_at, SOON)


def test_with_the_portal_gone_the_doors_close_within_fifteen_seconds_and_open_by_themselves(world):
    with contextlib.ExitStack() as stack:
        with world.portal():
            gateways = stack.enter_context(world.gateways())
            key = world.key()
            token = world.token(key)
            assert calls(gateways, token) == [200, 200]
            stream = Stream(gateways[1], "/ticks", token)
            revoked = world.key()
            dead = world.token(revoked)
        gone = time.monotonic()
        STOPS["key revoked"](revoked[0], world.staff)  # which no gateway hears of now
        assert calls(gateways, token) == [200, 200]
        until(all_say(gateways, token, 503), AT_WORST + SLACK)
        assert calls(gateways, dead) == [503, 503]
        assert time.monotonic() - gone <= AT_WORST + SLACK
        until(lambda: stream.ended_at, SLACK)
        with world.portal():
            until(all_say(gateways, token, 200), SOON)
            assert calls(gateways, dead) == [401, 401]


# --- What is between them -----------------------------------------------------------------------


class Between(ThreadingHTTPServer):
    """Whoever holds the wire: passes on what is asked, keeps snapshots and may show old ones."""

    daemon_threads = True

    def __init__(self, portal):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.portal, self.kept, self.replaying = portal, [], False
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Passing(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        wire = self.server
        asks_for_snapshot = self.path.startswith("/gateway/snapshot")
        if asks_for_snapshot and wire.replaying:
            status, body = 200, wire.kept[-1]
        else:
            passed = ("Authorization", "Accept")
            headers = {name: self.headers[name] for name in passed if self.headers[name]}
            status, body = send(wire.portal + self.path, headers)
            if asks_for_snapshot and status == 200:
                wire.kept.append(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def test_a_recorded_snapshot_hides_no_revocation(world):
    with world.portal(), contextlib.closing(Between(world.url)) as wire:
        asking = (wire.url, world.release.audience, world.gateway[0].client_id, world.gateway[1])
        verifier, started_later = (Verifier(*asking, issuer=world.url) for _ in range(2))
        key = world.key()
        token = world.token(key)
        assert verifier.poll_once()
        assert verifier.verify(token, "model:infer")
        STOPS["key revoked"](key[0], world.staff)
        wire.replaying = True
        for each in (verifier, started_later):
            assert not each.poll_once()
            assert each.health()["problems"]["snapshot"] == "nonce is not what was expected"
        assert started_later.verify(token, "model:infer").code is Code.SNAPSHOT_STALE
        wire.replaying = False
        assert verifier.poll_once()
        assert verifier.verify(token, "model:infer").code is Code.REVOKED
        verifier.stop()
        started_later.stop()


# --- Signing keys -------------------------------------------------------------------------------


def signer(token):
    return unpacked(token)[0]["kid"]


def signed_by(key):
    (seed,) = read_signing_keys(key)
    return signed({"typ": "at+jwt", "alg": "EdDSA", "kid": seed.kid}, {}, seed.seed)


def test_a_signing_key_is_replaced_under_traffic(world):
    """As docs/operations.md has it: published, then signing, then alone."""
    old, new = new_signing_key(), new_signing_key()
    over, said, wrongly = threading.Event(), [], []
    with contextlib.ExitStack() as stack:
        portal = stack.enter_context(contextlib.ExitStack())
        portal.enter_context(world.portal(SIGNING_KEYS=old))
        gateways = stack.enter_context(world.gateways())
        key, revoked = world.key(), world.key()
        tokens, dead = [world.token(key)], world.token(revoked)
        STOPS["key revoked"](revoked[0], world.staff)
        until(all_say(gateways, dead, 401), SOON)

        def traffic(address):
            while not over.wait(PACE):
                said.append(call(address, tokens[-1]))
                wrongly.append(call(address, dead))

        def restart(keys):
            portal.close()
            portal.enter_context(world.portal(SIGNING_KEYS=keys))
            versions = [health(address)["snapshot_version"] for address in gateways]
            until(
                lambda: all(
                    health(a)["snapshot_version"] > v
                    for a, v in zip(gateways, versions, strict=True)
                )
            )

        pool = stack.enter_context(ThreadPoolExecutor(len(gateways)))
        stack.callback(over.set)
        running = [pool.submit(traffic, address) for address in gateways]
        restart(f"{old},{new}")
        # Five minutes are to pass until all gateways have fetched the keys. A token that names one
        # they do not know, from whomever, makes them ask at once.
        unknown = signed_by(new)
        until(lambda: calls(gateways, unknown) and all(health(a)["keys"] == 2 for a in gateways))
        restart(f"{new},{old}")
        tokens.append(world.token(key))
        assert signer(tokens[-1]) == new.partition(":")[0] != signer(tokens[0])
        before = len(said)
        until(lambda: len(said) > before + 20)
        restart(new)
        before = len(said)
        until(lambda: len(said) > before + 20)
        over.set()
        assert [each.result() for each in running] == [None, None]
    assert set(said) == {200}
    assert set(wrongly) == {401}
