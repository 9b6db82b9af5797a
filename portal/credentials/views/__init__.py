"""What a holder sees of grants and keys, and may do with them."""

from portal.credentials.views.claiming import claim
from portal.credentials.views.ending import give_up, revoke
from portal.credentials.views.holding import access, check, rename, request_key
from portal.credentials.views.offering import offer
from portal.credentials.views.rehearsing import make_test_key
from portal.credentials.views.rotating import rotate
from portal.credentials.views.stopped import stopped

__all__ = [
    "access",
    "check",
    "claim",
    "give_up",
    "make_test_key",
    "offer",
    "rename",
    "request_key",
    "revoke",
    "rotate",
    "stopped",
]
