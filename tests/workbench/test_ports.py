"""Free ports: below those of outgoing connections, and never one that is in use."""

import socket

import pytest

from workbench.ports import PortTakenError, free_port

FIRST_OF_OUTGOING_CONNECTIONS = 32_768


def test_free_port_is_one_that_outgoing_connections_do_not_get() -> None:
    assert all(0 < free_port() < FIRST_OF_OUTGOING_CONNECTIONS for _ in range(50))


def test_port_in_use_is_refused_with_its_number() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is in use by another program"):
            free_port(port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_port_that_does_not_exist_counts_as_taken(port: int) -> None:
    with pytest.raises(PortTakenError, match=str(port)):
        free_port(port)
