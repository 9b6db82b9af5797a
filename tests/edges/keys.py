"""Where a holder claims and revokes a key, and what every key looks like on a page."""

import re

ANY_KEY = re.compile(r"tpk_(?:live|test)_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}")


def claim_page(key):
    return f"/access/keys/{key.kid}/claim/"


def revoke_page(key):
    return f"/access/keys/{key.kid}/revoke/"
