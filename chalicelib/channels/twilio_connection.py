"""A requests adapter that records whether it connected. Imports requests: import it only where something is sent."""

from typing import Any

from requests.adapters import HTTPAdapter


class Connection(HTTPAdapter):
    """The connections of one client.

    `reached` is False if the latest attempt to connect failed, be it at the name, the proxy, TCP, TLS or the certificate: no
    part of the request was sent. The exceptions of requests do not say: a hanging handshake raises the same one as a missing
    response.
    """

    reached = True  # until an attempt fails: if this hook ever stops working, outcomes are unknown and nothing is sent twice

    def get_connection_with_tls_context(self, *args: Any, **named: Any) -> Any:
        """Return the pool that requests needs, with connections that record whether they connect."""
        pool: Any = super().get_connection_with_tls_context(*args, **named)
        adapter, original = self, pool.ConnectionCls

        class RecordingConnection(original):  # type: ignore[misc, valid-type]  # HTTP or HTTPS
            def connect(self) -> None:
                adapter.reached = False
                super().connect()
                adapter.reached = True

        pool.ConnectionCls = RecordingConnection
        return pool
