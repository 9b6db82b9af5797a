"""The floor of issuing: the same function in a plain loop, in a process of its own.

Told the ids of grants on a line, it says "done" when they are issued.
"""

import json
import sys

import django


def main() -> None:
    django.setup()
    from portal.audit.services import System  # noqa: PLC0415 - models need Django set up
    from portal.credentials.services import issue_credential  # noqa: PLC0415 - likewise

    worker = System("worker")
    print("ready", flush=True)
    for line in sys.stdin:
        for grant_id in json.loads(line):
            issue_credential(grant_id=grant_id, by=worker)
        print("done", flush=True)


if __name__ == "__main__":
    main()
