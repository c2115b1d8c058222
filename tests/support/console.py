"""The console on a real table, served by Chalice's own local server, and a client that keeps cookies like a browser."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from re import search
from typing import Any
from urllib.parse import urlencode

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import ChaliceRequestHandler, LocalChalice, LocalDevServer, ThreadedHTTPServer
from chalice.test import Client, HTTPResponse

from chalicelib.bot.assembly import make_console
from chalicelib.console.parts import Console
from chalicelib.console.routes import register
from chalicelib.console.sign_in import sign_in_link
from chalicelib.platform.aws import ClientFactory
from chalicelib.platform.secrets import Secrets
from tests.support.builders import ENVIRON, MONITORS, some_settings
from tests.support.stages import COUNTERS, Stage, real_stage
from workbench.local.ministack import MiniStack

KEY = "k" * 64
CONSOLE = '[console]\noperators = ["asha"]\nreaders = ["ben"]\n'


class _Handler(ChaliceRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Do not print requests."""


class _Server(ThreadedHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Do not print that a browser went away."""


@dataclass
class ConsoleApp:
    """A Chalice app with the console's routes, and the stage that it shows."""

    stage: Stage
    ministack: MiniStack
    clients: ClientFactory
    key: str = KEY
    app: Chalice = field(init=False)
    console: Console = field(init=False)
    slept: list[float] = field(default_factory=list)  # seconds that the console waited

    def __post_init__(self) -> None:
        environ = {**ENVIRON, "DROPNOTE_COUNTERS": COUNTERS, "DROPNOTE_SECRET_CONSOLE_KEY": self.key}
        self.stage.bot.secrets = Secrets(lambda: None, "/dropnote/prod/", environ, self.stage.clock)
        self.app = LocalChalice("dropnote")  # as `chalice local`: one request per thread
        self.console = replace(make_console(self.stage.bot, environ, self.clients), sleep=self.slept.append)
        register(self.app, self.stage.settings, lambda: self.console)

    def link(self, person: str = "asha", base: str = "http://127.0.0.1") -> str:
        """A new sign-in link."""
        return sign_in_link(self.console, person, base, "tester")

    def visitor(self, person: str = "") -> "Visitor":
        """A visitor, signed in if `person` is set."""
        visitor = Visitor(self)
        if person:
            visitor.sign_in(person)
        return visitor

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serve the routes as `chalice local` does; yields the base URL."""
        server = LocalDevServer(self.app, Config(), "127.0.0.1", 0, _Handler, _Server)
        thread = threading.Thread(target=server.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server.server_port}"
        finally:
            server.shutdown()
            thread.join(timeout=5)
            server.server.server_close()


@dataclass
class Visitor:
    """Sends requests and keeps the cookie."""

    site: ConsoleApp
    cookie: str = ""

    def get(self, path: str, **headers: str) -> HTTPResponse:
        return self.request("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> HTTPResponse:
        """Send a form exactly as given."""
        return self.request("POST", path, form or {}, headers)

    def press(self, path: str, form: Mapping[str, str] | None = None, page: str = "/console") -> HTTPResponse:
        """Send a form with the CSRF token of a page."""
        token = search(r'name="csrf_token" value="([^"]+)"', self.text(page))
        assert token, page
        return self.post(path, {"csrf_token": token[1], **(form or {})})

    def text(self, path: str) -> str:
        """The text of a page that must be there."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code)
        return str(response.body.decode())

    def sign_in(self, person: str) -> None:
        response = self.post("/sign-in", {"token": self.site.link(person).partition("token=")[2]})
        assert response.status_code == 303, response.body

    def request(self, method: str, path: str, form: Mapping[str, str] | bytes | None, headers: Mapping[str, str]) -> HTTPResponse:
        all_headers = {
            "Host": "127.0.0.1",
            "Cookie": self.cookie,
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        if form is not None:
            all_headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        with Client(self.site.app) as client:
            response = client.http.request(method, path, headers=all_headers, body=body)
        cookies: Any = response.headers.get("Set-Cookie") or []
        for cookie in [cookies] if isinstance(cookies, str) else cookies:
            self._keep(cookie.partition(";")[0])
        return response

    def _keep(self, cookie: str) -> None:
        """Replace a cookie of the same name."""
        name = cookie.partition("=")[0]
        others = [each for each in self.cookie.split("; ") if each and each.partition("=")[0] != name]
        self.cookie = "; ".join([cookie, *others])


def console_app(ministack: MiniStack, clients: ClientFactory | None = None, more: str = "", **replaced: str) -> ConsoleApp:
    """The console of a stage on a real table: asha is an operator, ben a reader. `clients` may observe the requests to AWS.

    `more` is added to the settings, `replaced` changes texts of them.
    """
    clients = clients or (lambda service, **_: ministack.client(service))
    stage = real_stage(ministack, some_settings(CONSOLE + MONITORS + more, **replaced), clients("dynamodb"))
    return ConsoleApp(stage, ministack, clients)
