"""Twilio's own client for commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twilio.rest import Client

TIMEOUT_S = 10.0
HOSTS = ("messaging", "accounts", "lookups", "content")


@contextmanager
def twilio_client(account: str, token: str, base_url: str = "") -> Iterator["Client"]:
    """Twilio's own client, with a timeout. `base_url` points to the double, which has Twilio's hosts as the first part of the
    path; "" is Twilio itself.
    """
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    http_client = TwilioHttpClient(timeout=TIMEOUT_S)
    with http_client.session as session:  # closes the connections
        client = Client(account, token, http_client=http_client)
        if base_url:
            session.trust_env = False  # ignore the machine's proxy
            client.api.base_url = base_url
            for host in HOSTS:
                getattr(client, host).base_url = f"{base_url}/{host}.twilio.com"
        yield client
