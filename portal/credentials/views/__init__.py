"""What a holder sees of grants and keys, and may do with them."""

from portal.credentials.views.claiming import claim
from portal.credentials.views.ending import give_up, revoke
from portal.credentials.views.holding import access, check, request_key
from portal.credentials.views.offering import offer

__all__ = ["access", "check", "claim", "give_up", "offer", "request_key", "revoke"]
