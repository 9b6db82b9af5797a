"""What the linter must not let through: requests below the edges, signals anywhere."""

import subprocess
import sys

import pytest

BELOW = [
    "accounts/services.py",
    "portal/credentials/services/new.py",
    "portal/credentials/verification.py",
    "portal/programs/models.py",
    "portal/reviews/policies.py",
    "portal/applications/selectors.py",
    "portal/mail/tasks.py",
    "portal/credentials/notices.py",
]
EDGES = ["portal/programs/views.py", "portal/credentials/admin_views/new.py", "accounts/forms.py"]
OF_THE_EDGE = """
from django import shortcuts
from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import redirect
import django.http
"""
SIGNALS = """
from django.db.models import signals
from django.db.models.signals import m2m_changed, post_delete, pre_delete, pre_save
from django.dispatch import receiver
signals.post_save.connect(receiver)
"""


def found(path, text):
    """The codes and lines of what the linter says of a file of this name with this text."""
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251,TID253", "-"]
    command += ["--output-format", "concise", "--stdin-filename", path]
    said = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    lines = [line for line in said.stdout.splitlines() if line.startswith(path)]
    return [(line.split()[1], int(line.split(":")[1])) for line in lines]


@pytest.mark.parametrize("path", BELOW)
def test_nothing_below_the_edges_knows_a_request(path):
    assert found(path, OF_THE_EDGE) == [("TID253", line) for line in range(2, 7)]


@pytest.mark.parametrize("path", [*BELOW, *EDGES])
def test_nobody_listens_to_a_model(path):
    assert found(path, SIGNALS) == [("TID251", line) for line in (3, 3, 3, 3, 4, 5)]


@pytest.mark.parametrize("path", EDGES)
def test_edges_do(path):
    assert found(path, OF_THE_EDGE) == []
