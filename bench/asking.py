"""One caller on a kept connection: what a door says of key after key, and how long that took."""

import base64
import http.client
import json
import time
from urllib.parse import urlencode, urlsplit

from bench.stack import Stack


class Caller:
    """A gateway that introspects; a connection stays with one process of the portal."""

    def __init__(self, stack: Stack, portal: str = "") -> None:
        both = f"{stack.seeded.client_id}:{stack.seeded.secret}".encode()
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(both).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._link = http.client.HTTPConnection(urlsplit(portal or stack.portal).netloc, timeout=10)

    def works(self, token: str) -> bool:
        """Whether the door lets this key in; anything but a plain answer ends the bench."""
        said = json.loads(self._ask(token))
        return bool(said["active"])

    def took(self, token: str) -> float:
        """Seconds from the question to the whole answer, which is a no."""
        began = time.perf_counter()
        said = self._ask(token)
        seconds = time.perf_counter() - began
        if json.loads(said) != {"active": False}:
            raise SystemExit(f"A key that is none was answered with {said!r}.")
        return seconds

    def close(self) -> None:
        self._link.close()

    def _ask(self, token: str) -> bytes:
        body = urlencode({"token": token})
        self._link.request("POST", "/oauth/introspect", body, self._headers)
        answer = self._link.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise SystemExit(f"Introspection answered {answer.status}: {said!r}")
        return said
