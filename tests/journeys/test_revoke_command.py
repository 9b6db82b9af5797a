"""An incident from a shell: two people, the command as it prints itself, a door that is asked."""

import json
import shlex
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from portal.credentials.models import Revocation
from portal.credentials.services import word_of
from portal.credentials.tasks import reconcile
from portal.mail.models import OutgoingMail
from portal.mail.tasks import deliver_queued
from tests.factories import stories
from tests.factories.cases import let_pass
from tests.factories.gateway import basic, make_gateway
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.journeys import whole_story as story
from tests.processes import finished, free_port, portal_environment, until, web

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
MANAGE = [sys.executable, "manage.py", "revoke"]


def run(command, **env):
    """(how it ends, what it says), of the command in a process of its own."""
    done = finished(command, portal_environment(**env))
    return done.returncode, done.stdout + done.stderr


def revoke(*words, **env):
    return run([*MANAGE, *words], **env)


def printed(told, act):
    """The command it says to go on with, as somebody pastes it."""
    line = next(line for line in told.splitlines() if f" {act}" in line)
    return shlex.split(line)


@pytest.fixture
def phase():
    return stories.open_phase()


@pytest.fixture
def ines():
    return staff("incident_responder")


@pytest.fixture
def active(phase):
    """active.of(tokens): what introspection in a web process of its own says of each."""
    gateway, secret = make_gateway(phase.release)
    with web("portal.wsgi:application", portal_environment()) as address:

        def ask(token):
            body = urllib.parse.urlencode({"token": token}).encode()
            headers = {"Authorization": basic(gateway.client_id, secret)}
            asked = urllib.request.Request(f"{address}/oauth/introspect", body, headers)
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return json.load(answer)["active"]

        yield SimpleNamespace(of=lambda tokens: [ask(t) for t in tokens], address=address)


def test_two_people_contain_and_revoke_a_critical_scope(phase, ines, active, worker):
    scopes = [(stories.STANDARD,), (stories.STANDARD, stories.CRITICAL)]
    tokens = [stories.claimed(phase=phase, scopes=each)[1] for each in scopes]
    _other, spared = stories.claimed(phase=phase)
    assert active.of([*tokens, spared]) == [True] * 3

    what = ("--phase", phase.ref, "--exclude", f"{_other.kid}=night shift")
    ended, told = revoke(*what, "--reason", "incident", "--by", ines.email)
    assert (ended, active.of(tokens)) == (0, [True] * 2), told
    contain, confirm = printed(told, "--contain"), printed(told, "--confirm")

    assert run(contain)[0] == 0
    assert active.of([*tokens, spared]) == [False, False, True]
    ended, told = run(confirm)
    assert (ended, "NOTHING IS REVOKED YET" in told) == (5, True), told
    case = Revocation.objects.get()
    assert (case.status, case.is_contained) == ("awaiting_second", True)

    # A shell can name anybody: the second person signs in, with every worker stopped.
    address = f"/admin/credentials/revocation/{case.ref}/"
    assert f"{address}change/" in told
    second = story.staff(active, "incident_responder")
    second.get(f"{address}change/")
    story.prove_identity(second)
    word = word_of(case.digest)
    assert second.send({"typed_count": "2", "typed_word": word}).status == 200
    assert active.of([*tokens, spared]) == [False, False, True]
    ended, told = revoke(case.ref, "--status")
    assert (ended, "2 keys dead. Owed: telling the holders of 2" in told) == (4, True), told

    let_pass(timedelta(minutes=1))  # reconcile leaves alone what a worker may have in hand
    worker.start()
    current_app.send_task(reconcile.name)
    until(lambda: again(case).status == "completed")
    unsent = OutgoingMail.objects.filter(case=case.ref, sent_at=None)
    until(lambda: not unsent.filter(next_attempt_at__gt=timezone.now()).exists())
    current_app.send_task(deliver_queued.name)  # as beat has it done once the second is due
    until(lambda: not unsent.exists())
    ended, told = revoke(case.ref, "--status")
    assert (ended, "2 keys dead, every partner told, 2 mails." in told) == (0, True), told
    assert f"by {ines.email}" in told
    assert OutgoingMail.objects.filter(template__startswith="credentials/key").count() >= 2


def test_with_a_worker_it_follows_until_everybody_is_told(phase, ines, active, worker):
    _key, token = stories.claimed(phase=phase)
    worker.start()
    asked = ("--phase", phase.ref, "--reason", "key_leaked", "--by", ines.email)
    ended, told = revoke(*asked)
    assert (ended, active.of([token])) == (0, [True]), told
    ended, told = run(printed(told, "--confirm"))
    assert (ended, active.of([token])) == (0, [False]), told
    assert "Mails sent: 1 of 1" in told
    assert "1 key dead, every partner told, 1 mail." in told
    ended, told = revoke(*asked)
    assert (ended, "(nothing_hit)" in told) == (3, True), told


def test_with_the_broker_down_they_die_as_fast(phase, ines, active):
    _key, token = stories.claimed(phase=phase)
    down = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "DOORBELL": "1"}
    _ended, told = revoke("--phase", phase.ref, "--reason", "incident", "--by", ines.email, **down)
    ended, told = run([*printed(told, "--confirm"), "--wait", "2"], **down)
    assert (ended, active.of([token])) == (4, [False]), told
    assert "It goes on by itself as soon as a worker and beat run." in told


def test_whoever_stops_looking_stops_nothing(phase, ines, active):
    _key, token = stories.claimed(phase=phase)
    _ended, told = revoke("--phase", phase.ref, "--reason", "incident", "--by", ines.email)
    # A shell that runs the tests in the background has every child ignore Ctrl-C.
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        printed(told, "--confirm"),
        env=portal_environment(),
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hears,  # noqa: PLW1509 - one system call, before anything else runs
    ) as running:
        assert "DEAD" in running.stdout.readline()
        assert active.of([token]) == [False]
        running.send_signal(signal.SIGINT)
        assert "You stopped looking; the keys stay dead" in running.stdout.read()
    assert running.returncode == 4


def test_a_wrong_word_and_a_silent_database_end_as_documented(ines):
    assert revoke("--nonsense")[0] == 2
    assert revoke("--help")[0] == 0
    nowhere = f"postgres://nobody@127.0.0.1:{free_port()}/nothing"
    asked = ("--phase", "PHA-1", "--reason", "incident", "--by", ines.email)
    ended, told = run([*MANAGE, *asked], DATABASE_URL=nowhere)
    assert (ended, "PostgreSQL does not answer" in told) == (1, True), told
    assert "Traceback" not in told
