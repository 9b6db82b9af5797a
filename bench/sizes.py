"""How much is measured. `BENCH_KEYS=2000 make bench` does everything on a smaller scale, to see
whether it works; its figures say little.
"""

import os

FULL = 100_000
KEYS = int(os.environ.get("BENCH_KEYS", FULL))


def scaled(full: int) -> int:
    """What there is of it where there are other keys than FULL; at least one."""
    return max(full * KEYS // FULL, 1)


def named(count: int) -> str:
    """As it stands in the name of a measure: 1m, 100k, 200."""
    if count >= 1_000_000:
        return f"{count // 1_000_000}m"
    return f"{count // 1000}k" if count >= 1000 else str(count)
