"""Seconds that have passed, whatever somebody sets a clock to."""

import time

_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def elapsed() -> float:
    """Seconds since some moment. On Linux they pass while the machine is suspended, too, so that
    what was known before is not taken for fresh when it wakes; elsewhere `time.monotonic`.
    """
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)
