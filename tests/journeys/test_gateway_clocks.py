"""Gateways whose clock is ten minutes off, either way: they count by the portal's, and by seconds
that pass. So nothing is let in that is stopped, and nothing is kept out that holds. That tokens end
in time there as well is shown in verifier/tests, without waiting for it.
"""

import contextlib
import subprocess
import sys
import time

import pytest

from tests.journeys.offline import HERE, KINDS, SOON, STOPS, all_say, calls, gateway, health
from tests.journeys.test_offline import world  # noqa: F401 - a fixture
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
TEN_MINUTES = 600
# Python reads this module before any other: whatever asks for the date hears a wrong one.
_WRONG = """
import time

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {seconds}
time.time_ns = lambda: _time_ns() + {seconds} * 10**9
"""


@pytest.fixture
def set_wrong(tmp_path):
    """The folder of a clock that is so many seconds ahead."""

    def folder(seconds):
        made = tmp_path / f"clock{seconds}"
        made.mkdir()
        (made / "sitecustomize.py").write_text(_WRONG.format(seconds=seconds))
        return made

    return folder


def test_a_wrong_clock_lets_nothing_in_and_keeps_nothing_out(world, set_wrong):  # noqa: F811
    with world.portal(), contextlib.ExitStack() as stack:
        gateways = [
            stack.enter_context(gateway(kind, world.environment(f"{clock}:{HERE}")))
            for clock in (set_wrong(TEN_MINUTES), set_wrong(-TEN_MINUTES))
            for kind in KINDS
        ]
        until(lambda: all(health(address)["ready"] for address in gateways))
        stays, goes = world.key(), world.key()
        token, dying = world.token(stays), world.token(goes)
        assert calls(gateways, token) == calls(gateways, dying) == [200] * 4
        STOPS["key revoked"](goes[0], world.staff)
        until(all_say(gateways, dying, 401), SOON)
        assert calls(gateways, token) == [200] * 4
        STOPS["person frozen"](stays[0], world.staff)
        until(all_say(gateways, token, 401), SOON)


def test_the_clock_really_is_wrong_there(set_wrong, world):  # noqa: F811
    env = world.environment(f"{set_wrong(TEN_MINUTES)}:{HERE}")
    code = "import time; print(time.time())"
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert 590 < float(said.stdout) - time.time() < 610
