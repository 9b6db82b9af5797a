"""The database down, as the doors tell the log: each a line a second and not one a request, of
which there may be thousands.
"""

import logging
from collections import defaultdict

from portal.sparingly import Sparingly

log = logging.getLogger(__name__)

told: defaultdict[str, Sparingly] = defaultdict(Sparingly)  # by door


def tell_outage(door: str, error: Exception) -> None:
    untold = told[door].turn()
    if untold is not None:
        more = f", and {untold:,} more since the line before" if untold else ""
        what = ("no answer from the database: %s%s", type(error).__name__, more)
        log.warning(*what, extra={"door": door})
