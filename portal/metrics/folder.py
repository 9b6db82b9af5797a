"""Where the processes of one machine put what they count, so that any of them can tell the sum.

prometheus_client gives each process files of its own, named by its pid, and adds all up when asked.
It never takes away the files of processes that have ended, and must not: a sum that shrinks looks
as if everything had begun anew. So what they counted is first added to a file of pid 0, which no
process has. That is done here and nowhere else, whenever the numbers are asked for; nothing has to
be cleaned when something starts, in whichever order.

The pids must tell processes apart: one folder a machine, or a container.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_KINDS = ("counter", "histogram")


def prepare() -> None:
    """Choose the folder. Before prometheus_client is imported: that is when it looks, once.

    Without METRICS_TOKEN nobody can ask, so each process keeps its numbers to itself, unless the
    variable names a folder.
    """
    if not os.environ.get(VARIABLE):
        os.environ.pop(VARIABLE, None)  # empty, it would mean the folder we happen to stand in
        if not settings.METRICS_TOKEN:
            return
        os.environ[VARIABLE] = str(settings.DATA_DIR / "metrics")
    try:
        place().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"Settings: '{VARIABLE}': no folder can be made there: {error}") from None


def is_shared() -> bool:
    return VARIABLE in os.environ


def place() -> Path:
    return Path(os.environ[VARIABLE])


@contextmanager
def locked() -> Iterator[None]:
    """While the numbers are read nobody moves them."""
    with (place() / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def written(pattern: str = "*.db") -> list[Path]:
    """The files with something in them. A process makes its file before it writes its length there;
    whoever is killed in that moment leaves an empty one.
    """
    return [file for file in place().glob(pattern) if file.stat().st_size]


def put_dead_together() -> None:
    """Add up what processes counted that have ended. Call within `locked()`."""
    for kind in _KINDS:
        files = list(place().glob(f"{kind}_*.db"))
        dead = [file for file in files if not _is_alive(_pid(file))]
        if dead:
            full = written(f"{kind}_*.db")
            _write_sum(kind, [file for file in full if file in dead or _pid(file) == 0])
            for file in dead:
                file.unlink()


def _pid(file: Path) -> int:
    return int(file.stem.rpartition("_")[2])


def _is_alive(pid: int) -> bool:
    """0, which stands for all who have ended, counts as alive: it is not put together again."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _write_sum(kind: str, files: Iterable[Path]) -> None:
    from prometheus_client.mmap_dict import MmapedDict, mmap_key  # noqa: PLC0415 - after prepare()
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - likewise

    fresh = place() / f"{kind}_0.new"
    fresh.unlink(missing_ok=True)  # of one who was killed while writing
    kept = MmapedDict(str(fresh))
    for metric in MultiProcessCollector.merge(map(str, files), accumulate=False):
        for sample in metric.samples:
            names, values = list(sample.labels), list(sample.labels.values())
            key = mmap_key(metric.name, sample.name, names, values, metric.documentation)
            kept.write_value(key, sample.value, 0.0)
    kept.close()
    fresh.replace(place() / f"{kind}_0.db")
