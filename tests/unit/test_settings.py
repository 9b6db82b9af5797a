"""What production must be told, and is not left to guess."""

import os
import subprocess
import sys

import pytest

PRODUCTION = {
    "ALLOWED_HOSTS": "portal.example",
    "BASE_URL": "https://portal.example",
    "SECURITY_CONTACT": "mailto:security@portal.example",
}


def start(**given):
    env = {n: v for n, v in os.environ.items() if n not in {"DEMO", "DEBUG", *PRODUCTION}}
    command = [sys.executable, "-c", "import portal.settings"]
    return subprocess.run(
        command, env=env | given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("missing", PRODUCTION)
def test_production_does_not_start_without(missing):
    ended = start(**{name: value for name, value in PRODUCTION.items() if name != missing})
    assert ended.returncode == 1
    told = f"{{'{missing}': ['Environment variable not set.']}}"
    assert ended.stderr.startswith(f"Settings: Environment variables invalid: {told}\n")


def test_it_starts_with_all_of_them():
    assert start(**PRODUCTION).returncode == 0
