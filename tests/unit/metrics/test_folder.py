"""What processes counted that have ended stays in the sum, and their files do not pile up."""

import os
import subprocess
import sys

import pytest

from portal.metrics import counted, folder

# Counts in a child of its own as often as each argument says, and tells the children's pids.
COUNT = """
import os, sys
from portal.metrics import counted, note_decision, note_request
for times in map(int, sys.argv[1:]):
    pid = os.fork()
    if pid == 0:
        for _ in range(times):
            note_decision(door="introspect", code="allowed", seconds=0.003)
        counted.write_down()
        note_request(view="home", status=200, seconds=0.3)
        os._exit(0)
    os.waitpid(pid, 0)
    print(pid)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "metrics"))
    return tmp_path / "metrics"


def count(*times):
    """Count in processes that have ended by now; returns their pids."""
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    command = [sys.executable, "-c", COUNT, *map(str, times)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(map(int, done.stdout.split()))


def pids(place):
    return sorted(int(file.stem.rpartition("_")[2]) for file in place.glob("*.db"))


def test_those_who_have_ended_are_put_together_and_nothing_is_lost(place):
    ended = count(3, 4)
    assert pids(place) == sorted(ended * 2)
    # One that is alive keeps its own: pid 1 always is.
    (place / f"counter_{ended[1]}.db").rename(place / "counter_1.db")
    first = counted.as_text().decode()
    assert pids(place) == [0, 0, 1]
    assert lines(first) == {
        'access_decisions_total{code="allowed",door="introspect"} 7.0',
        'access_decision_seconds_count{door="introspect"} 7.0',
        'access_decision_seconds_bucket{door="introspect",le="0.002"} 0.0',
        'access_decision_seconds_bucket{door="introspect",le="0.005"} 7.0',
        'portal_web_requests_total{status="2xx",view="home"} 2.0',
        'portal_web_request_seconds_bucket{le="0.5",view="home"} 2.0',
    }
    count(2)
    assert lines(counted.as_text().decode()) == {
        line.replace(" 7.0", " 9.0").replace(" 2.0", " 3.0") for line in lines(first)
    }
    assert pids(place) == [0, 0, 1]


def test_a_file_that_was_only_just_made_or_never_written_stops_nobody(place):
    (ended,) = count(3)
    for pid in (1, ended + 1_000_000):  # of one who begins, and of one who was killed beginning
        (place / f"counter_{pid}.db").touch()
    told = lines(counted.as_text().decode())
    assert 'access_decisions_total{code="allowed",door="introspect"} 3.0' in told
    assert pids(place) == [0, 0, 1]


def lines(text):
    wanted = ("_total{", "decision_seconds_count", 'le="0.002"', 'le="0.005"', 'le="0.5",view')
    return {line for line in text.splitlines() if any(part in line for part in wanted)}


def test_without_a_token_and_without_the_variable_each_process_keeps_to_itself(
    monkeypatch, settings
):
    monkeypatch.setenv(folder.VARIABLE, "")
    settings.METRICS_TOKEN = ""
    folder.prepare()
    assert folder.is_shared() is False


def test_with_a_token_the_folder_is_in_the_data(monkeypatch, settings, tmp_path):
    monkeypatch.setenv(folder.VARIABLE, "")
    settings.METRICS_TOKEN, settings.DATA_DIR = "t" * 32, tmp_path
    folder.prepare()
    assert (os.environ[folder.VARIABLE], folder.place().is_dir()) == (
        str(tmp_path / "metrics"),
        True,
    )


def test_the_variable_has_the_last_word(monkeypatch, settings, tmp_path):
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "elsewhere"))
    settings.METRICS_TOKEN = "t" * 32
    folder.prepare()
    assert (folder.place(), folder.place().is_dir()) == (tmp_path / "elsewhere", True)


def test_where_no_folder_can_be_made_the_start_stops_and_says_so(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path / "file" / "metrics"))
    with pytest.raises(SystemExit, match="'PROMETHEUS_MULTIPROC_DIR': no folder can be made"):
        folder.prepare()
