"""Secrets: SecureString parameters of AWS Systems Manager, cached for five minutes so that a rotated one is picked up.

On a laptop without the local environment (`chalice local`) they come from environment variables such as
DROPNOTE_SECRET_TWILIO_AUTH_TOKEN.
Source: AWS Systems Manager user guide, "Parameter Store"; API reference, "GetParameter".
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .clock import Clock

CACHE_TIME = timedelta(minutes=5)

# A container may read them at its start, which has ten seconds; a secret that fails then is read again when it is needed.
CLIENT_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})


class MissingSecret(Exception):
    """A secret could not be read; the text names it and the command that creates it, never its value."""


class Secrets:
    """Reads secrets by name. `client` creates an SSM client, and is called only when one is needed (25 ms)."""

    def __init__(self, client: Callable[[], Any], prefix: str, environ: Mapping[str, str], clock: Clock) -> None:
        self._client = client
        self._prefix = prefix
        self._environ = environ
        self._clock = clock
        self._cache: dict[str, tuple[str, datetime]] = {}

    def public_url(self) -> str:
        """The public URL of our HTTP routes, such as https://abc.execute-api.eu-west-1.amazonaws.com/api; "" if unset."""
        try:
            url = self.secret("public-url").rstrip("/")
        except MissingSecret:
            return ""
        return url if url.startswith("http") else ""  # resources.yaml writes "unset"

    def secret(self, name: str) -> str:
        """The value of one secret, such as "twilio-auth-token".

        Raises:
            MissingSecret: it does not exist, or access is denied.
        """
        variable = f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}"
        if variable in self._environ:
            return self._environ[variable]
        now = self._clock()
        value, read_at = self._cache.get(name, ("", now - CACHE_TIME))
        if now - read_at >= CACHE_TIME:
            value = self._fetch(name)
            self._cache[name] = (value, now)
        return value

    def _fetch(self, name: str) -> str:
        path = self._prefix + name
        try:
            answer = self._client().get_parameter(Name=path, WithDecryption=True)
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise MissingSecret(
                f"could not read the secret {path} ({code}); to create it: "
                f"aws ssm put-parameter --type SecureString --name {path} --value file://the-secret.txt"
            ) from error
        return str(answer["Parameter"]["Value"])
