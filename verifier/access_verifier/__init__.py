"""Checks the access tokens of a Trusted Access Portal at a gateway, without asking at each call.

    verifier = Verifier(portal_url, audience, client_id, client_secret)
    verifier.start()
    verdict = verifier.verify(token, "model:infer")

`access_verifier.wsgi` and `access_verifier.asgi` put it in front of an application.
"""

from access_verifier.codes import Code
from access_verifier.decision import Rules, Standing, Verdict, decide, still_stands
from access_verifier.identity import Identity
from access_verifier.settings import Settings
from access_verifier.verifier import Verifier, Watch

__all__ = [
    "Code",
    "Identity",
    "Rules",
    "Settings",
    "Standing",
    "Verdict",
    "Verifier",
    "Watch",
    "decide",
    "still_stands",
]
