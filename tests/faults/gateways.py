"""Gateways that ask while something fails, and what they are told of a key that is revoked."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from portal.credentials.services import revoke_credential
from tests.processes import until

PACE = 0.01  # seconds between two rounds of whoever asks without end


class Gateway:
    """Asks both doors over one kept connection, which one of the web processes has taken."""

    def __init__(self, address, known):
        self._link = HTTPConnection(urlsplit(address).netloc, timeout=30)
        self._known = known

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._link.close()

    def introspect(self, token):
        """Whether the key is active; the status where that is no 200."""
        form = urlencode({"token": token})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        headers["Authorization"] = self._known
        status, body = self._send("POST", "/oauth/introspect", headers, form)
        return json.loads(body)["active"] if status == 200 else status

    def authorize(self, token):
        headers = {"X-Gateway-Authorization": self._known, "Authorization": f"Bearer {token}"}
        return self._send("GET", "/gateway/authorize?scope=model:infer", headers)[0]

    def _send(self, method, path, headers, body=None):
        self._link.request(method, path, body, headers)
        answer = self._link.getresponse()
        return answer.status, answer.read()


def revoke(credential):
    revoke_credential(kid=credential.kid, reason="key_leaked", by=credential.grant.holder)


@contextmanager
def under_load(gateways, token, doomed):
    """All ask without end whether a good key and a dead one work, the latter revoked before the
    block. Yields what each of the two was answered; a no of the one or a yes of the other fails.
    """
    credential, dead = doomed
    said, enough = {"good": Counter(), "dead": Counter()}, threading.Event()

    def ask_without_end(gateway):
        while not enough.wait(PACE):
            for key, of in ((token, "good"), (dead, "dead")):
                said[of][gateway.introspect(key)] += 1
                said[of][gateway.authorize(key)] += 1

    asking = [threading.Thread(target=ask_without_end, args=(each,)) for each in gateways]
    try:
        for each in asking:
            each.start()
        until(lambda: said["dead"][True] > 20 and said["good"][200] > 20)
        revoke(credential)
        until(lambda: said["dead"][False] > 20)
        said["dead"].clear()  # what was asked before the revocation has been answered by now
        yield said
    finally:
        enough.set()
        for each in asking:
            each.join()
    assert set(said["good"]) <= {True, 200, 503}
    assert set(said["dead"]) <= {False, 401, 503}
