"""The tests' own servers do not meet."""

import socket
from contextlib import ExitStack

from portal.run import ports
from tests.processes import free_port


def test_a_port_that_was_given_is_given_to_nobody_else():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        pass  # and is stopped again
    with ExitStack() as another_process:
        assert ports.claim(port, another_process) != port
    assert free_port() != port
