"""The order of things; what each is stands in the files beside this one."""

import functools
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import NoReturn

from portal import embedded
from portal.run import environment, ports, welcome
from portal.run.environment import DATA, ROOT
from portal.run.processes import NODES, Processes, commands


def main() -> int:
    signal.signal(signal.SIGTERM, _leave)
    try:
        return run_command(sys.argv[2:]) if sys.argv[1:2] == ["--"] else run_portal()
    except embedded.EngineError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def run_portal() -> int:
    with ExitStack() as stack:
        if embedded.hold(embedded.private(DATA) / "run.lock", stack) is None:
            sys.exit(f"It runs already, from {DATA}. Stop that one first.")
        web, sandbox = ports.claim(8000, stack), ports.claim(8001, stack)
        _say("Starting PostgreSQL and Valkey")
        urls = stack.enter_context(embedded.servers(DATA))
        env = environment.portal(urls, web, sandbox)
        _say("Bringing the database up to date")
        _manage(env, "demo", "--migrate")
        _say("Starting web, workers, beat and sandbox")
        return _serve(env, web, sandbox)


def run_command(command: list[str]) -> int:
    with embedded.servers(DATA, linger=True) as urls:
        # Ctrl-C is for the command, which may have a use for it.
        signal.signal(signal.SIGINT, lambda *_: None)
        return _call(command, environment.portal(urls))


def _serve(env: dict[str, str], web: int, sandbox: int) -> int:
    os.environ.update(env)  # to ask the worker, we speak to the broker ourselves
    processes = Processes()
    for name, command in commands(web, sandbox).items():
        own = environment.sandbox(web, env["REDIS_URL"]) if name == "sandbox" else env
        processes.add_process(name, command, env=own, cwd=str(ROOT))
    return processes.run(lambda: _announce(processes, env["BASE_URL"], env["SANDBOX_URL"]))


def _announce(processes: Processes, portal: str, sandbox: str) -> None:
    """Runs beside the processes: the welcome when all are healthy, the end if they are not."""
    # Speaks to the broker and takes longest to load, so it is loaded beside the processes, too.
    from portal.run import health  # noqa: PLC0415 - as above

    missing = health.missing_after(
        {
            "web": lambda: health.answers(f"{portal}/readyz"),
            **{name: functools.partial(health.node_answers, node) for name, node in NODES.items()},
            "sandbox": lambda: health.answers(f"{sandbox}/healthz"),
        }
    )
    if missing:
        processes.give_up(f"Not healthy in time: {', '.join(missing)}")
    else:
        print(welcome.text(portal, sandbox), flush=True)  # noqa: T201 - meant for the terminal


def _manage(env: dict[str, str], *words: str) -> None:
    if status := _call([sys.executable, str(ROOT / "manage.py"), *words], env):
        sys.exit(status)


def _call(command: list[str], env: dict[str, str]) -> int:
    tie = embedded.die_with_parent(signal.SIGTERM)
    return subprocess.run(command, env=env, preexec_fn=tie, check=False).returncode


def _say(step: str) -> None:
    print(f"{step} ...", flush=True)  # noqa: T201 - meant for the terminal


def _leave(_signal: int, _frame: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)  # rather than drop dead: what was started is stopped first


if __name__ == "__main__":
    sys.exit(main())
