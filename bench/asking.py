"""One caller on a kept connection: what a door says of key after key, and how long that took."""

import base64
import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.stack import Stack

SCOPE = "model:infer"


class Link:
    """A kept connection; it stays with one process of the portal."""

    def __init__(self, address: str) -> None:
        self._link = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)

    def close(self) -> None:
        self._link.close()

    def _ask(
        self, method: str, path: str, headers: dict[str, str], **fields: str
    ) -> tuple[int, bytes]:
        if method == "POST":
            headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        self._link.request(method, path, urlencode(fields) if fields else None, headers)
        answer = self._link.getresponse()
        return answer.status, answer.read()


class Caller(Link):
    """A gateway that introspects."""

    def __init__(self, stack: Stack, portal: str = "") -> None:
        super().__init__(portal or stack.portal)
        self._headers = {"Authorization": gateway_of(stack)}

    def works(self, token: str) -> bool:
        """Whether the door lets this key in; anything but a plain answer ends the bench."""
        said = json.loads(self._introspect(token))
        return bool(said["active"])

    def took(self, token: str) -> float:
        """Seconds from the question to the whole answer, which is a no."""
        began = time.perf_counter()
        said = self._introspect(token)
        seconds = time.perf_counter() - began
        if json.loads(said) != {"active": False}:
            raise SystemExit(f"A key that is none was answered with {said!r}.")
        return seconds

    def _introspect(self, token: str) -> bytes:
        status, said = self._ask("POST", "/oauth/introspect", self._headers, token=token)
        if status != 200:
            raise SystemExit(f"Introspection answered {status}: {said!r}")
        return said


class ForwardAuth(Link):
    """A proxy that asks before it hands a call on."""

    def __init__(self, stack: Stack, portal: str = "") -> None:
        super().__init__(portal or stack.portal)
        self._gateway = {"X-Gateway-Authorization": gateway_of(stack)}

    def works(self, token: str) -> bool:
        headers = {**self._gateway, "Authorization": f"Bearer {token}"}
        status, said = self._ask("GET", f"/gateway/authorize?scope={SCOPE}", headers)
        if status not in {200, 401}:
            raise SystemExit(f"Forward-auth answered {status}: {said!r}")
        return status == 200


class Gateway(Link):
    """One that checks tokens by itself."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.portal)
        self._headers = {"Authorization": gateway_of(stack)}

    def snapshot(self, nonce: str) -> str:
        return self._told(f"/gateway/snapshot?nonce={nonce}")

    def status_list(self) -> str:
        return self._told("/gateway/status-list")

    def _told(self, path: str) -> str:
        status, said = self._ask("GET", path, self._headers)
        if status != 200:
            raise SystemExit(f"{path} answered {status}: {said!r}")
        return said.decode()


class Exchange(Link):
    """The holder of a key, who exchanges it for a token."""

    def works(self, key: str) -> bool:
        return bool(self.token(key))

    def token(self, key: str) -> str:
        """A token for this key; empty where it is refused."""
        headers = {"Authorization": basic(key.split("_")[2], key)}
        status, said = self._ask(
            "POST", "/oauth/token", headers, grant_type="client_credentials", scope=SCOPE
        )
        found: dict[str, Any] = json.loads(said)
        if (status, found.get("error")) == (401, "invalid_client"):
            return ""
        if status != 200:
            raise SystemExit(f"The exchange of a key answered {status}: {said!r}")
        return str(found["access_token"])


def gateway_of(stack: Stack) -> str:
    """How the bench's gateway proves itself."""
    return basic(stack.seeded.client_id, stack.seeded.secret)


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
