"""A connection of requests that knows how far it came. Imports requests: to be imported where something is really sent."""

from typing import Any

from requests.adapters import HTTPAdapter


class Connection(HTTPAdapter):
    """What one errand's requests go out by.

    `reached` is False when the last try to connect failed, be it the name, the proxy, TCP, TLS or the certificate: then
    nothing of the request has left. requests' exceptions do not say: a handshake that hangs raises what a missing answer does.
    """

    reached = True  # until a try fails: should nobody tell us about tries any more, outcomes are unknown, and nothing is repeated

    def get_connection_with_tls_context(self, *args: Any, **named: Any) -> Any:
        """Give the pool that requests asks for, its connections telling us how they fare."""
        pool: Any = super().get_connection_with_tls_context(*args, **named)
        connection, usual = self, pool.ConnectionCls

        class Telling(usual):  # type: ignore[misc, valid-type]  # of http or of https
            def connect(self) -> None:
                connection.reached = False
                super().connect()
                connection.reached = True

        pool.ConnectionCls = Telling
        return pool
