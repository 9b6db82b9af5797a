"""What may happen thousands of times a second, told in the log once a second, with a count."""

import threading
import time


class Sparingly:
    """Whose turn it is to be told, in this process: the first one in each `seconds`."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next = float("-inf")
        self._untold = 0

    def turn(self) -> int | None:
        """How many were passed over since the one before; None for one that is passed over."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                self._untold += 1
                return None
            untold, self._untold, self._next = self._untold, 0, now + self._seconds
            return untold
