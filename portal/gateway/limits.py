"""How often one address may fail to prove that it is a gateway, or that it has a key.

Only failures count, and whoever proves it is answered whatever came from the same address
before: behind one address may stand a good gateway and one with an old secret. A cache
that cannot be asked limits nobody.
"""

import logging
import math
import time

from allauth.core.internal.ratelimit import get_ip
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

MOST_FAILURES = 60
WINDOW = 60  # seconds

log = logging.getLogger(__name__)


def wait_after_failure(request: HttpRequest) -> int:
    """Count one failure; return 0, or how many seconds to wait when there were too many.

    Counted per minute of the clock, without a lock: nobody is kept waiting by those who fail, and
    of failures at the very same time some go uncounted. Beyond the limit nothing is written.
    """
    minute, into = divmod(time.time(), WINDOW)
    key = f"gateway:failed:{get_ip(request)}:{int(minute)}"
    try:
        failures = cache.get(key, 0)
        if failures < MOST_FAILURES:
            cache.set(key, failures + 1, timeout=2 * WINDOW)
            return 0
    except (DatabaseError, InterfaceError) as error:
        log.warning("failures of gateways are not counted: %s", type(error).__name__)
        return 0
    return math.ceil(WINDOW - into)
