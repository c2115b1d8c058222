"""A receiver of Standard Webhooks: it verifies signature and time, and recognizes a message that comes twice.

Written from the specification (version 1.0.0), "Verifying signatures" and "Signature scheme"; it shares no code with the sender.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from .answer import Answer, Call, Rejected

HOST = "hooks.example.com"
TOLERANCE_S = 5 * 60  # the specification says "some allowable tolerance"; its libraries have five minutes
MIN_KEY, MAX_KEY = 24, 64  # bytes


class Receiver:
    """One receiver. `key` is its signing key, whsec_…; `now` returns seconds since 1970."""

    def __init__(self, key: str, now: Callable[[], float]) -> None:
        self.key = key
        self._now = now
        self._seen: set[str] = set()

    def receive(self, call: Call) -> tuple[Any, Answer]:
        """Check a request; returns its payload, or None for a message that it already has, and the response.

        Raises:
            Rejected: the signature or the time is wrong, or the payload is not what the specification says.
        """
        id_, timestamp = call.headers.get("Webhook-Id", ""), call.headers.get("Webhook-Timestamp", "")
        if not id_ or "." in id_ or not timestamp.isdigit() or abs(self._now() - int(timestamp)) > TOLERANCE_S:
            raise Rejected(Answer(400, "the time or the id is missing or wrong"))
        key = base64.b64decode(self.key.removeprefix("whsec_"))
        if not MIN_KEY <= len(key) <= MAX_KEY:
            raise Rejected(Answer(500, "the receiver's own key is not valid"))
        expected = base64.b64encode(hmac.digest(key, f"{id_}.{timestamp}.".encode() + call.body, hashlib.sha256)).decode()
        given = call.headers.get("Webhook-Signature", "").split(" ")
        if not any(hmac.compare_digest(signature, f"v1,{expected}") for signature in given):
            raise Rejected(Answer(401, "no signature is valid"))
        payload = json.loads(call.body)
        if not {"type", "timestamp", "data"} <= set(payload):
            raise Rejected(Answer(400, "type, timestamp or data is missing"))
        if id_ in self._seen:
            return None, Answer(200)
        self._seen.add(id_)
        return payload, Answer(200)
