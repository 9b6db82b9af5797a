"""Two beats, which nobody meant to run: each thing that is due is done once all the same."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials.models import Credential
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.cases import confirmed_case, let_pass
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.faults.test_workers import a_minute_later, beat_ran_long_ago, is_ready
from tests.processes import Worker, portal_environment, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
DAY = timedelta(days=1)


@pytest.fixture
def second(tmp_path):
    """A worker with a beat, as on another machine: with files of its own."""
    other = Worker()
    other.name = f"second-{other.name}"
    other.files = tmp_path / "second"
    other.files.mkdir()
    yield other
    other.stop()


def confirmed(key, by):
    case = confirmed_case(by, key)
    let_pass(DAY / 24)
    return case


def test_what_is_due_is_done_once_by_two(worker, second, settings):
    waiting = [stories.opened(times=1) for _ in range(3)]
    ending, _token = stories.claimed()
    case = confirmed(stories.claimed()[0], stories.responder())
    Credential.objects.filter(pk=ending.pk).update(remind_at=timezone.now() - DAY)
    OutgoingMail.objects.all().delete()  # of the story so far
    a_minute_later()
    for each, folder in ((worker, settings.DATA_DIR), (second, second.files)):
        beat_ran_long_ago(folder)
        each.start(beat=True, env=portal_environment(DATA_DIR=str(folder)))

    until(lambda: all(is_ready(grant)() for grant in waiting), 60)
    until(lambda: stories.again(case).status == "completed", 60)
    until(lambda: not OutgoingMail.objects.filter(sent_at=None, dead_at=None).exists(), 60)

    told = dict.fromkeys(("key_ready", "key_expiring", "keys_revoked"), 0)
    for template in OutgoingMail.objects.values_list("template", flat=True):
        told[template.removeprefix("credentials/")] += 1
    assert told == {"key_ready": 3, "key_expiring": 1, "keys_revoked": 1}
    events = Event.objects.filter(
        kind="credential.ready", subject__in=[grant.credentials.get().kid for grant in waiting]
    )
    assert events.count() == 3
