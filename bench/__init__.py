"""Performance, reproducible: `make bench` measures, `make bench-stack` leaves the servers up.

Every figure is a ratio of two things measured in turns in one run, because the machine is shared
and what counts is how much more a thing costs than the least it could. The floor of the doors is
a Django view that answers a constant, with the middleware `startproject` gives, under the same
server with as many workers; the floor of issuing is the same function in a plain loop; of revoking,
one bare statement; of a freeze, a row updated; of a token, its signature alone. Where something has
to happen in time, the time stands in the floor's place. Each module says what its floor leaves out,
and every answer is looked at: a wrong one ends the bench. `python -m bench NAME ...` measures some
only, and BENCH_KEYS=2000 before it takes fewer keys (sizes.py).

Of rates the ratio is to be high; of what ends in `_ms`, low.
"""
