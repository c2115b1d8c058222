"""The local server: one web server for the inbox page, the Twilio double and the REST API shim."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from ..ports import free_port
from .inbox import UploadTarget, create_inbox
from .rest_api import create_rest_api
from .twilio.account import TwilioAccount
from .twilio.double import TwilioDouble
from .twilio.incoming import create_reply_box
from .uploads.drop_zone import create_drop_zone
from .webhooks.double import WebhookDouble


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        """Write no access log: the page sends two requests a second."""


def create_app(
    twilio: TwilioDouble,
    endpoint: str,
    *,
    uploads: UploadTarget | None = None,
    people: Mapping[str, str] | None = None,
    webhooks: WebhookDouble | None = None,
) -> Flask:
    """Create the server's app: the inbox at `/`, Twilio at `/2010-04-01/…` and `/messaging.twilio.com/…`, the REST API shim for
    `endpoint` at `/aws/apigateway/…`, and the services behind webhooks at `/webhooks/…`.
    """
    app = Flask(__name__)
    app.register_blueprint(twilio.blueprint)
    app.register_blueprint(TwilioAccount(twilio).blueprint)
    app.register_blueprint(create_reply_box(twilio))
    app.register_blueprint(create_rest_api(endpoint))
    target = uploads or UploadTarget(endpoint)
    app.register_blueprint(create_drop_zone(endpoint, target.bucket))
    webhooks = webhooks or WebhookDouble()
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(create_inbox(twilio, endpoint, uploads=target, people=people, webhooks=webhooks))
    return app


@contextlib.contextmanager
def listening(port: int = 0) -> Iterator[socket.socket]:
    """Open a listening loopback socket before there is an app to serve, to know and reserve its port.

    Raises:
        PortTakenError: the port is in use.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", free_port(port)))
        listener.listen(64)
        yield listener


@contextlib.contextmanager
def serving(app: Flask, listener: socket.socket) -> Iterator[str]:
    """Serve the app with threads while the block runs. Yields its base URL."""
    port = listener.getsockname()[1]
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno())
    server.daemon_threads = True  # type: ignore[attr-defined]  # an open request of the page does not delay the end
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join(timeout=5)
        server.server_close()
