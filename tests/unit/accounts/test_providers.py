"""Institutions exist only when configured; settings are read anew in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

APP = {"client_id": "a", "secret": "b"}
INSTITUTION = {
    **APP,
    "name": "University",
    "provider_id": "uni",
    "settings": {"server_url": "https://login.uni.example/realm"},
}
CONFIGURED = {"LOGIN_ORCID": APP, "LOGIN_GITHUB": APP, "LOGIN_OPENID_CONNECT": INSTITUTION}
ASK = """
import json
from portal import settings
print(json.dumps([
    [app.rpartition(".")[2] for app in settings.INSTALLED_APPS if ".providers." in app],
    settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"][1:],
]))
"""


def settings_with(**variables):
    env = os.environ | {name: json.dumps(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-c", ASK], check=False, env=env, capture_output=True, text=True
    )


def test_configured_institutions_are_installed_and_their_hosts_let_through():
    assert json.loads(settings_with(**CONFIGURED).stdout) == [
        ["orcid", "github", "openid_connect"],
        ["https://orcid.org", "https://github.com", "https://login.uni.example"],
    ]


def test_none_is_installed_otherwise():
    assert json.loads(settings_with().stdout) == [[], []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGIN_GITHUB", {"client_id": "a"}),
        ("LOGIN_ORCID", ["a"]),
        ("LOGIN_OPENID_CONNECT", APP),
        ("LOGIN_OPENID_CONNECT", {**INSTITUTION, "settings": {}}),
    ],
)
def test_a_malformed_one_stops_the_start_and_is_named(name, value):
    ended = settings_with(**{name: value})
    assert (ended.returncode, ended.stdout, name in ended.stderr) == (1, "", True)
