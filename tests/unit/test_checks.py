"""Settings that would lose messages for a long time stop the start."""

import re
import sys

import pytest
from celery import current_app
from django.conf import settings
from django.core.checks import run_checks

from portal.checks import (
    RULES,
    as_celery_reads_them,
    broken_rules,
    check_deployment,
    check_doorbell,
)
from portal.credentials.admin_freezes import FreezeAdmin
from tests.processes import finished, free_port, portal_environment, production_environment

SCHEDULE = settings.CELERY_BEAT_SCHEDULE
HOURLY = SCHEDULE["expire-applications"]


def changed(options=None, **given):
    conf = as_celery_reads_them() | given
    conf["broker_transport_options"] = conf["broker_transport_options"] | (options or {})
    return [error.id for error in broken_rules(conf)]


def test_our_own_settings_break_no_rule():
    assert check_doorbell() == []


@pytest.mark.parametrize(
    ("options", "given", "broken"),
    [
        ({"visibility_timeout": 59}, {}, "portal.E001"),
        ({"visibility_timeout": 3600}, {}, "portal.E001"),
        ({}, {"visibility_timeout": 30}, "portal.E001"),
        ({}, {"result_backend_transport_options": {}}, "portal.E001"),
        ({}, {"task_time_limit": None}, "portal.E001"),
        ({"unacked_restore_throttle": 10}, {}, "portal.E002"),
        ({"unacked_restore_interval": 60}, {}, "portal.E002"),
        ({"socket_timeout": None}, {}, "portal.E003"),
        ({"socket_connect_timeout": 60}, {}, "portal.E003"),
        ({"max_retries": 100}, {}, "portal.E004"),
        ({"retry_on_timeout": True}, {}, "portal.E004"),
        ({}, {"task_acks_late": False}, "portal.E005"),
        ({}, {"worker_prefetch_multiplier": 4}, "portal.E005"),
        ({}, {"task_reject_on_worker_lost": True}, "portal.E006"),
        ({}, {"task_ignore_result": False}, "portal.E007"),
        ({}, {"result_backend": "redis://"}, "portal.E007"),
        ({}, {"accept_content": ["json", "pickle"]}, "portal.E007"),
        ({}, {"beat_schedule": {}}, "portal.E008"),
        (
            {},
            {"beat_schedule": {"mail": SCHEDULE["reconcile-mail"]}},
            "portal.E008",
        ),
        ({}, {"beat_schedule": SCHEDULE | {"a": {"task": "a.b", "schedule": 15}}}, "portal.E009"),
        (
            {},
            {"beat_schedule": SCHEDULE | {"a": {**HOURLY, "options": {"expires": 7200}}}},
            "portal.E009",
        ),
    ],
)
def test_each_unsound_setting_is_named(options, given, broken):
    assert changed(options, **given) == [broken]


def test_every_rule_is_tried_above():
    [mark] = test_each_unsound_setting_is_named.pytestmark
    assert {broken for _options, _given, broken in mark.args[1]} == set(RULES)


def test_kombu_really_reads_the_options_we_give_it():
    channel = current_app.connection_for_write().transport.Channel
    known = set(channel.from_transport_options) | {"max_retries"}  # this one the connection reads
    assert set(current_app.conf.broker_transport_options) <= known


def test_a_worker_knows_every_task_that_beat_rings_for():
    current_app.loader.import_default_modules()
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(current_app.tasks)


@pytest.mark.parametrize(
    "start",
    [
        ["-m", "celery", "-A", "portal", "worker", "--pool", "solo"],
        ["-m", "celery", "-A", "portal", "beat"],
        ["-m", "granian", "--interface", "wsgi", "portal.wsgi:application"],
        ["manage.py", "check"],
        ["manage.py", "demo"],
    ],
)
def test_nothing_starts_on_unsound_settings(start, tmp_path):
    env = portal_environment(DJANGO_SETTINGS_MODULE="tests.unit.unsound", DATA_DIR=str(tmp_path))
    ended = finished([sys.executable, *start], env | {"GRANIAN_PORT": str(free_port())})
    assert ended.returncode != 0
    assert "portal.E005" in ended.stderr


def test_a_fault_of_a_page_of_the_staff_is_told(monkeypatch):
    monkeypatch.setattr(FreezeAdmin, "ordering", ["nothing of the kind"])
    assert [error.id for error in run_checks(tags=["admin"])] == ["admin.E033"]


@pytest.mark.parametrize(
    ("mfa", "hosts", "said"),
    [
        (True, ["portal.example.org"], []),
        (False, ["portal.example.org"], ["portal.W001"]),
        (True, ["portal.example.org", "*"], ["portal.W002"]),
        (False, ["*"], ["portal.W001", "portal.W002"]),
    ],
)
def test_a_deployment_that_lets_more_in_than_it_need_is_warned(settings, mfa, hosts, said):
    settings.STAFF_MFA_REQUIRED, settings.ALLOWED_HOSTS = mfa, hosts
    assert [doubt.id for doubt in check_deployment()] == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        (
            {"ALLOWED_HOSTS": "portal.example.org,*", "STAFF_MFA_REQUIRED": "0"},
            ["portal.W001", "portal.W002"],
        ),
    ],
)
def test_what_one_is_warned_of_ends_the_command_with_a_failure(changed, said):
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = finished(command, production_environment() | changed)
    assert re.findall(r"\((\S+\.[WE]\d+)\)", done.stderr) == said
    assert (done.returncode == 0) is (not said)
