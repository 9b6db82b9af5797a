"""A worker's part in a case, without the broker: told to begin, it goes on until all is done."""

import sys

import django


def main(case_id: int) -> None:
    django.setup()
    from portal.audit.services import System  # noqa: PLC0415 - models need Django set up
    from portal.credentials.services import finish_revocation  # noqa: PLC0415 - likewise

    print("ready", flush=True)
    sys.stdin.readline()
    while finish_revocation(revocation_id=case_id, by=System("worker")):
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
