"""Public references such as `APP-7K3M9Q`: what stands in URLs, mails and the log.

Random, so that they count nothing and cannot be walked; integer ids never leave the database.
"""

import secrets

# No 0/O, 1/I/L, 2/Z, 5/S, 8/B, U/V: a reference survives being read out over a bad line.
ALPHABET = "34679ACDEFGHJKMNPQRTWXY"
LENGTH = 8  # 23**8 is 78 thousand million


def new_reference(prefix: str) -> str:
    """Return a fresh reference with this prefix, for instance `APP-7K3M9QXD`."""
    return f"{prefix}-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
