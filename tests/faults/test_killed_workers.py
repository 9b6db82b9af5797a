"""Workers killed in the middle of a cohort, and when all is done but said."""

import psutil
import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.db import connection

from portal.audit.models import Event
from portal.credentials.models import Credential, Grant
from portal.credentials.services.moving import lock_grant
from portal.credentials.tasks import issue_credential, issue_waiting
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.faults.test_workers import (
    assert_finished,
    broker,  # noqa: F401 - a fixture
    is_ready,
)
from tests.processes import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
COHORT = 3
READY = {"kind": "credential.ready"}


def lock_mails():
    """The last thing a batch writes, so that it stands still with all the rest written."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE mail_outgoingmail IN SHARE MODE")


def standing():
    """(slots that wait for a worker, slots that are ready, events that say so, mails)."""
    slots = Credential.objects.all()
    return (
        slots.filter(status="requested").count(),
        slots.filter(status="ready").count(),
        Event.objects.filter(**READY).count(),
        OutgoingMail.objects.filter(template="credentials/key_ready").count(),
    )


def test_a_worker_killed_in_a_cohort_s_batch_leaves_all_of_it_to_the_next(worker, settings):
    settings.DOORBELL = False  # the cohort is rung for as a whole
    for _ in range(COHORT):
        stories.opened(times=1)
    with held(lock_mails):
        worker.start()
        current_app.send_task(issue_waiting.name)
        until(somebody_waits_for_a_lock)
        worker.kill()
    assert standing() == (COHORT, 0, 0, 0)
    worker.start()
    current_app.send_task(issue_waiting.name)
    until(lambda: not Credential.objects.filter(status="requested").exists())
    assert standing() == (0, COHORT, COHORT, COHORT)
    assert set(Grant.objects.values_list("status", flat=True)) == {"active"}


def unacknowledged(server):
    with redis.Redis.from_url(server.url) as client:
        return client.hlen(f"{django_settings.REDIS_PREFIX}unacked")


def test_a_worker_killed_before_it_could_say_that_all_is_done_does_nothing_twice(
    broker,  # noqa: F811
    worker,
):
    grant = stories.opened(times=1)
    with held(lambda: lock_grant(grant.pk)):
        worker.start()
        until(somebody_waits_for_a_lock)
        psutil.Process(worker.running.pid).suspend()  # who acknowledges; its child goes on
    until(is_ready(grant))
    worker.kill()
    assert unacknowledged(broker) == 1
    worker.start()
    issue_credential.apply_async([grant.pk])  # as the broker does in the end with what is not
    until(lambda: (broker.waiting(), unacknowledged(broker)) == (0, 1))
    assert standing() == (0, 1, 1, 1)
    assert_finished(grant)
