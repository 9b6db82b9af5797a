"""A task is told which row to look at, and may be run twice."""

import inspect
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from portal.applications.models import Application
from portal.celery import app
from portal.credentials.services import (
    finish_revocation,
    preview_reissue,
    start_reissue,
)
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.cases import confirmed_case, typed
from tests.factories.credentials import CredentialFactory
from tests.factories.webhooks import DeliveryFactory
from tests.rows import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

app.loader.import_default_modules()  # as a worker does when it starts
TASKS = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def _grant_without_key():
    return [stories.opened().pk]


def _cohort_without_keys():
    _grant_without_key(), _grant_without_key()
    return []


def _confirmed_case():
    credential, _ = stories.claimed()
    by = stories.responder()
    selector = Selector(person=credential.grant.holder.ref)
    return [confirmed_case(by, selector=selector, reason="key_leaked").pk]


def _confirmed_reissue():
    (case_id,), by = _confirmed_case(), stories.responder()
    finish_revocation(revocation_id=case_id, by=stories.WORKER)
    reissue = preview_reissue(revocation_id=case_id, by=by)
    start_reissue(reissue_id=reissue.pk, by=by, **typed(reissue))
    return [reissue.pk]


def _slot_whose_time_is_up():
    CredentialFactory(expires_at=timezone.now() - timedelta(minutes=1))
    return []


def _draft_whose_time_is_up():
    Application.objects.filter(status="draft").update(expires_at=timezone.now())
    return []


def _unsent_mail():
    return [OutgoingMail.objects.filter(sent_at=None).first().pk]


def _event_for_an_endpoint():
    """Nobody is there: the attempt fails, and the next is not due yet."""
    return [DeliveryFactory(endpoint__url="https://10.0.0.1/").pk]


def _event_of_an_endpoint_that_is_off():
    DeliveryFactory(endpoint__disabled_at=timezone.now(), endpoint__disabled_reason="gone")
    return []


# What gives each task something to do, and returns what it is told.
WORK = {
    "credentials.issue": _grant_without_key,
    "credentials.issue_waiting": _cohort_without_keys,
    "credentials.finish_revocation": _confirmed_case,
    "credentials.finish_reissue": _confirmed_reissue,
    "credentials.prove_revocation": _confirmed_case,  # the demo has gateways
    "credentials.reconcile": _slot_whose_time_is_up,
    "applications.expire": _draft_whose_time_is_up,
    "mail.deliver": _unsent_mail,
    "mail.deliver_queued": lambda: _unsent_mail()[:0],
    "webhooks.deliver": _event_for_an_endpoint,
    "webhooks.reconcile": _event_of_an_endpoint_that_is_off,
    "mail.reconcile": list,  # rings only, and nobody listens here
    "portal.forget_expired": list,  # the demo's usage was reported weeks ago
}
CHANGES_NO_ROW = {"mail.reconcile"}


def _everything():
    """Every row of ours, events among them, and how many mails went out."""
    return rows(), len(mail.outbox)


def test_each_task_is_looked_at():
    assert set(TASKS) == set(WORK)


@pytest.mark.parametrize("name", WORK)
def test_tasks_take_primitives_and_return_nothing(name):
    signature = inspect.signature(TASKS[name].run)
    kinds = {parameter.annotation for parameter in signature.parameters.values()}
    assert kinds <= {int, str, bool}
    assert signature.return_annotation is None


@pytest.mark.parametrize("name", WORK)
def test_the_second_run_changes_nothing(name):
    told = WORK[name]()
    before = _everything()
    TASKS[name](*told)
    once = _everything()
    assert (once != before) == (name not in CHANGES_NO_ROW)
    TASKS[name](*told)
    assert _everything() == once
