import pytest
from django.conf import settings

from portal.mail import tasks
from portal.mail.models import OutgoingMail
from portal.mail.services import queue_mail

pytestmark = pytest.mark.django_db


def test_the_task_sends_once_however_often_it_is_rung(mailoutbox):
    mail = queue_mail(to="ada@example.org", template="accounts/user_reinstated", context={})
    for _ in range(10):
        tasks.deliver(mail.pk)
    tasks.reconcile()
    assert (len(mailoutbox), OutgoingMail.objects.get().state) == (1, "Sent")


def test_beat_rings_the_names_there_are():
    rung = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert tasks.reconcile.name in rung
