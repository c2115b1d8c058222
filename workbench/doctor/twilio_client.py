"""Twilio's own package, on its several hosts or on the double, which has them as the first part of the path."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twilio.rest import Client

TIMEOUT_S = 10.0
HOSTS = ("messaging", "accounts", "lookups")


@contextmanager
def twilio_client(account: str, token: str, base_url: str = "") -> Iterator["Client"]:
    """A client with a time limit. `base_url` is Twilio's own unless the local world or a test says otherwise."""
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    http_client = TwilioHttpClient(timeout=TIMEOUT_S)
    with http_client.session as session:  # closes the connections
        client = Client(account, token, http_client=http_client)
        if base_url:
            session.trust_env = False  # no proxy of the machine
            client.api.base_url = base_url
            for host in HOSTS:
                getattr(client, host).base_url = f"{base_url}/{host}.twilio.com"
        yield client
