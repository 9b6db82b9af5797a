"""Workers killed, messages lost or doubled, brokers gone: what was decided is finished anyway."""

import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from kombu import pools

from portal.credentials.models import Credential, Grant
from portal.credentials.selectors import Selector
from portal.credentials.services import preview_revocation, start_revocation
from portal.credentials.services.moving import lock_grant
from portal.credentials.tasks import issue_credential, reconcile
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.faults.oracle import assert_all_in_order, assert_nothing_unfinished
from tests.processes import until

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


def is_ready(grant):
    return lambda: Credential.objects.filter(grant=grant, status="ready").exists()


def assert_finished(grant):
    assert stories.again(grant).status == "active"
    assert OutgoingMail.objects.filter(template="credentials/key_ready").count() == 1
    assert_all_in_order()
    assert_nothing_unfinished()


def messages_waiting():
    with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
        return broker.llen(f"{django_settings.REDIS_PREFIX}celery")


def test_a_worker_killed_between_approval_and_issue_is_made_up_for(worker):
    application, decider = stories.reviewed(times=1), stories.decider()
    worker.start()
    worker.freeze()  # its read is outstanding: what is rung now may end in a dead hand
    grant = stories.approve(application, by=decider).grant
    worker.kill()
    assert grant.credentials.get().status == "requested"
    worker.start()
    reconciled()
    until(is_ready(grant))
    assert_finished(grant)


@contextmanager
def held(grant):
    """The grant's row locked by another session until the block ends."""
    locked, release = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            lock_grant(grant.pk)
            locked.set()
            release.wait(timeout=60)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(timeout=60)
    try:
        yield
    finally:
        release.set()
        holder.join()


def somebody_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


def test_a_worker_killed_in_the_middle_of_issuing_leaves_nothing_half_done(worker):
    grant = stories.opened(times=1)
    with held(grant):
        worker.start()
        until(somebody_waits_for_a_lock)
        worker.kill()
    assert grant.credentials.get().status == "requested"
    worker.start()
    reconciled()
    until(is_ready(grant))
    assert_finished(grant)


def test_a_queue_that_was_emptied_is_rung_again(worker):
    grant = stories.opened(times=1)
    until(lambda: messages_waiting() > 0)
    with redis.Redis.from_url(django_settings.REDIS_URL) as broker:
        broker.flushdb()
    worker.start()
    reconciled()
    until(is_ready(grant))
    assert_finished(grant)


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
def nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def nobody_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        yield silent.getsockname()[1]


@contextmanager
def broker_at(port, monkeypatch):
    """Publish there instead, on fresh connections, until the block ends."""
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


@pytest.mark.parametrize("fault", [nobody_listens, nobody_answers])
def test_without_a_broker_approving_and_revoking_stay_quick_and_are_finished_later(
    fault, worker, monkeypatch
):
    key, token = stories.claimed()
    application, decider = stories.reviewed(times=1), stories.decider()
    responder = stories.responder()
    case = preview_revocation(
        selector=Selector("kids", key.kid), reason="incident", note="", by=responder
    )
    with fault() as port, broker_at(port, monkeypatch):
        with at_once():
            stories.approve(application, by=decider)
        with at_once():
            start_revocation(
                revocation_id=case.pk, digest=case.digest, typed_count="1", by=responder
            )
        audience = key.grant.phase.release.audience
        assert verify(token, audience=audience, scope=None).verdict.code == "key_revoked"
    assert (stories.again(application).status, stories.again(case).status) == (
        "granted",
        "running",
    )
    worker.start()
    reconciled()
    until(is_ready(application.grant))
    until(lambda: stories.again(case).status == "completed")
    assert_all_in_order()
    assert_nothing_unfinished()
