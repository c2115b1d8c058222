"""The services behind webhooks, over HTTP, as a Flask blueprint: /webhooks/<host>/<path of the URL>.

`WEBHOOK_BASE_URL` of the functions is its address. Accepted messages are stored in memory and shown by the inbox. Tests script
faults.
"""

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import Clock, utc_now

from . import discord, slack, teams
from .answer import Answer, Call, Rejected
from .standard import HOST as STANDARD
from .standard import Receiver

PREFIX = "/webhooks"
KEY = "whsec_" + "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
URLS = {  # as the services give them out, with invented secrets
    "slack": f"https://{slack.HOST}/services/T0000000/B0000000/localonly",
    "teams": f"https://{teams.HOST}:443/powerautomate/automations/direct/workflows/{'0' * 32}/triggers/manual/paths/invoke"
    "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=localonly",
    "discord": f"https://{discord.HOST}/api/webhooks/118450000000000001/{'localonly' * 7}",
    "json": f"https://{STANDARD}/dropnote",
    "apprise": "json://127.0.0.1:1/nowhere",  # by itself, Apprise reaches no double: see docs/channels.md
}

FORUM = URLS["discord"].replace("01/local", "09/local")  # of a forum channel: see discord.py


@dataclass(frozen=True, slots=True)
class Post:
    """A message that a service accepted. `message` is its JSON; of Teams, the card."""

    service: str  # slack, teams, discord or json
    message: Any
    at: datetime
    path: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))


def secrets_of(settings: Settings) -> dict[str, str]:
    """The secrets of all webhooks in the settings, with which they reach the double."""
    found: dict[str, str] = {}
    for webhook in settings.webhooks.values():
        url, *keys = webhook.secrets
        found |= {url: FORUM if webhook.forum else URLS[webhook.format], **dict.fromkeys(keys, KEY)}
    return found


class WebhookDouble:
    """All services. Thread-safe."""

    def __init__(self, clock: Clock = utc_now, key: str = KEY) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._posts: list[Post] = []
        self._requests: list[Call] = []
        self._faults: list[tuple[Answer, bool]] = []
        self._receivers: Mapping[str, tuple[str, Callable[[Call], tuple[Any, Answer]]]] = {
            slack.HOST: ("slack", slack.receive),
            teams.HOST: ("teams", teams.receive),
            discord.HOST: ("discord", discord.receive),
            STANDARD: ("json", Receiver(key, lambda: clock().timestamp()).receive),
        }
        self.blueprint = self._routes()

    def posts(self) -> list[Post]:
        """The accepted messages, newest first."""
        with self._lock:
            return self._posts[::-1]

    def requests(self) -> list[Call]:
        """Every request, oldest first, rejected ones included."""
        with self._lock:
            return list(self._requests)

    def fail_next(self, answer: Answer, *, accepted: bool = False, times: int = 1) -> None:
        """Answer the next requests with this. `accepted`: the message is accepted first, so only the response is lost."""
        with self._lock:
            self._faults += [(answer, accepted)] * times

    def _routes(self) -> Blueprint:
        blueprint = Blueprint("webhooks", __name__, url_prefix=PREFIX)
        blueprint.add_url_rule("/<host>/<path:path>", "receive", self._receive, methods=["POST"], provide_automatic_options=False)
        return blueprint

    def _receive(self, host: str, path: str) -> Response:
        call = Call(path, request.args.to_dict(), dict(request.headers), request.get_data())
        with self._lock:
            self._requests.append(call)
            fault, accepted = self._faults.pop(0) if self._faults else (None, True)
        if fault and not accepted:
            return _response(fault)
        service, receive = self._receivers.get(host.partition(":")[0], ("", _nowhere))
        try:
            message, answer = receive(call)
        except Rejected as error:
            return _response(error.answer)
        if message is not None:
            with self._lock:
                self._posts.append(Post(service, message, self._clock(), path))
        return _response(fault or answer)


def _nowhere(call: Call) -> tuple[Any, Answer]:
    raise Rejected(Answer(404))


def _response(answer: Answer) -> Response:
    is_json = not isinstance(answer.body, str)
    body = json.dumps(answer.body) if is_json else str(answer.body)
    response = Response(body, answer.status, mimetype="application/json" if is_json else "text/plain")
    response.headers.update(answer.headers)
    return response
