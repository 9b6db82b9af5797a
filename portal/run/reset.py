"""`make reset`: throw the data away, after asking."""

import contextlib
import os
import shutil
import sys
from contextlib import ExitStack

from portal import embedded
from portal.run.environment import DATA

TESTS = "tests"  # of a `make test` that may be on; it clears up by itself


ELSEWHERE = """\
The database that DATABASE_URL names is not touched: `make run` finds its demo there again. Keys
that were claimed there work no more, as the secrets in {data} go. To begin anew, let it name an
empty database.
"""


def main() -> int:
    if os.environ.get("DATABASE_URL"):
        print(ELSEWHERE.format(data=DATA))  # noqa: T201 - meant for the terminal
    if not DATA.exists():
        print("There is no data.")  # noqa: T201 - meant for the terminal
        return 0
    with ExitStack() as stack:
        for lock in ("run.lock", "owner.lock"):
            if embedded.hold(DATA / lock, stack) is None:
                sys.exit(f"Something runs from {DATA}. Stop it first.")
        if _ask(f"Delete {DATA} with everything in it? Type yes: ") != "yes":
            sys.exit("Nothing was deleted.")
        _empty()
    return 0


def _ask(question: str) -> str:
    with contextlib.suppress(EOFError):
        return input(question).strip()
    return ""


def _empty() -> None:
    for each in DATA.iterdir():
        if each.is_dir() and each.name != TESTS:
            shutil.rmtree(each)
        elif not each.is_dir():
            each.unlink()


if __name__ == "__main__":
    sys.exit(main())
