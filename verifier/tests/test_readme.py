"""The README's examples, run as they are written."""

import asyncio
import re
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest
from portal_double import AUDIENCE, GATEWAY, SECRET

from access_verifier import Settings

README = (Path(__file__).parent.parent / "README.md").read_text()
WSGI, ASGI = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
HELLO = b"Hello usr_1, by key key1.\n"


@pytest.fixture
def run(portal, monkeypatch):
    """Run an example against the portal; returns its names."""
    given = {
        "PORTAL_URL": portal.url,
        "AUDIENCE": AUDIENCE,
        "GATEWAY_ID": GATEWAY,
        "GATEWAY_SECRET": SECRET,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    names = {}

    def example(source):
        exec(compile(source, "README.md", "exec"), names)
        names["verifier"].poll_once()
        return names["application"]

    yield example
    names["verifier"].stop()


def test_the_wsgi_example(portal, run):
    application, said = run(WSGI), []
    environ = {"HTTP_AUTHORIZATION": f"Bearer {portal.token()}"}
    setup_testing_defaults(environ)
    body = application(environ, lambda status, headers: said.append(status))
    assert (said, body) == (["200 OK"], [HELLO])


def test_the_asgi_example(portal, run):
    application, sent = run(ASGI), []

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {portal.token()}".encode())]
    asked = {"type": "http", "headers": headers}
    asyncio.run(application(asked, None, send))
    assert (sent[0]["status"], sent[1]["body"]) == (200, HELLO)


def test_every_setting_is_explained_with_its_default():
    table = README[README.index("| `Settings` |") : README.index("`AccessMiddleware(app")]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", table, re.MULTILINE))
    rows.pop("Settings", None)
    settings = Settings()
    assert list(rows) == list(Settings.__slots__)
    numbers = {
        name: float(value.replace(" ", "")) for name, value in rows.items() if value[0].isdigit()
    }
    assert numbers == {name: getattr(settings, name) for name in numbers}
    assert len(numbers) == 6
