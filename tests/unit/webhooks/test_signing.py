"""Signatures, verified by what the specification says and by nothing of ours."""

import base64
import re
import time
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings as project

from portal.gateway.signing import published
from portal.variables import new_signing_key, read_signing_keys
from portal.webhooks import signing
from portal.webhooks.snippet import snippet


def verified_by(public_key, headers, body):
    """https://www.standardwebhooks.com: `id.timestamp.body`, v1a, base64, whpk_."""
    assert public_key.startswith("whpk_")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key[5:], validate=True))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for each in headers["webhook-signature"].split(" "):
        version, encoded = each.split(",")
        assert version == "v1a"
        try:
            key.verify(base64.b64decode(encoded, validate=True), signed)
        except InvalidSignature:
            continue
        return True
    return False


def test_an_independent_verifier_takes_it_and_nothing_that_was_changed():
    headers, (key,) = signing.headers("MSG-A", 1700000000, b'{"a":1}'), signing.public_keys()
    assert verified_by(key, headers, b'{"a":1}')
    assert not verified_by(key, headers, b'{"a":2}')
    assert not verified_by(key, {**headers, "webhook-id": "MSG-B"}, b'{"a":1}')
    assert not verified_by(key, {**headers, "webhook-timestamp": "1700000001"}, b'{"a":1}')


def test_while_a_key_is_replaced_old_and_new_both_verify(settings):
    old, new, other = (read_signing_keys(new_signing_key()) for _ in range(3))
    known = {}
    for name, keys in {"old": old, "new": new, "other": other}.items():
        settings.SIGNING_KEYS = keys
        (known[name],) = signing.public_keys()
    settings.SIGNING_KEYS = new + old
    headers = signing.headers("MSG-A", 1, b"{}")
    assert signing.public_keys() == [known["new"], known["old"]]
    taken = {name: verified_by(key, headers, b"{}") for name, key in known.items()}
    assert taken == {"old": True, "new": True, "other": False}


def test_events_are_signed_with_another_key_than_tokens():
    tokens = {base64.urlsafe_b64decode(key["x"] + "=") for key in published()["keys"]}
    events = {base64.b64decode(key.removeprefix("whpk_")) for key in signing.public_keys()}
    assert (len(tokens), len(events), tokens & events) == (1, 1, set())


@pytest.fixture
def pasted():
    """What the page shows, run as it stands."""
    space = {}
    exec(snippet(signing.public_keys()), space)
    return space["verify"]


def test_the_snippet_works_as_pasted(pasted):
    now = int(time.time())
    assert pasted(signing.headers("MSG-A", now, b"{}"), b"{}") == "MSG-A"
    refused = []
    for headers, body in [
        (signing.headers("MSG-A", now - 301, b"{}"), b"{}"),
        (signing.headers("MSG-A", now + 302, b"{}"), b"{}"),
        (signing.headers("MSG-A", now, b"{}"), b"[]"),
        ({**signing.headers("MSG-A", now, b"{}"), "webhook-signature": "v1,AAAA"}, b"{}"),
    ]:
        try:
            pasted(headers, body)
        except ValueError as error:
            refused.append(str(error))
    old, wrong = "too old, or from the future", "not signed by the portal"
    assert refused == [old, old, wrong, wrong]


def test_the_handbook_shows_the_same_snippet():
    text = Path(project.BASE_DIR, "docs", "webhooks.md").read_text()
    (shown,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert shown == snippet(["whpk_…"])
