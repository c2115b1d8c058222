"""Finds free ports of 127.0.0.1 for local servers."""

import random
import socket

_PORTS = range(20_000, 32_768)
_TRIES = 100


class PortTakenError(Exception):
    """Another program uses the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use by another program")
        self.port = port


def free_port(port: int = 0) -> int:
    """Return the port if it is free; for 0, any free port.

    That one is below 32,768: Linux gives the ports above to outgoing connections, and one of them could take the port before its
    server does. Source: Linux, ip(7), "ip_local_port_range".

    Raises:
        PortTakenError: it is in use; for 0, so were a hundred others.
    """
    ports = [port] if port else random.SystemRandom().sample(_PORTS, _TRIES)
    for candidate in ports:
        if _is_free(candidate):
            return candidate
    raise PortTakenError(ports[-1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True
