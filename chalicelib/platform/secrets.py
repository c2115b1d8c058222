"""Secrets: SecureString parameters of AWS Systems Manager, cached for about five minutes so that a rotated one is picked up.

All are read in one call (up to ten) when the first is needed: by default an account may make 40 calls per second, and a thousand
containers may start in one. A container that is refused waits a moment before it asks again, and keeps using a value that it
knows.
On a laptop without the local environment (`chalice local`) they come from environment variables such as
DROPNOTE_SECRET_TWILIO_AUTH_TOKEN.
Source: AWS Systems Manager user guide, "Parameter Store"; API reference, "GetParameters" (at most ten names); AWS General
Reference, "AWS Systems Manager endpoints and quotas" (Parameter Store: the quota is shared with GetParameter).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .clock import Clock

CACHE_TIME = timedelta(minutes=5)
CACHE_SPREAD = 0.2  # containers that started together read again up to this share of the time earlier, each at another moment
MAX_NAMES = 10  # of one call
PAUSE = timedelta(seconds=5)  # on average, after Parameter Store throttled us or did not respond

# A container may read them at its start, which has ten seconds; a secret that fails then is read again when it is needed. The
# standard mode waits up to one second before the second attempt and up to two before the third, at random.
CLIENT_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})

_THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")


class MissingSecret(Exception):
    """A secret could not be read; the text names it and the command that creates it, never its value."""


class SecretsUnavailable(MissingSecret):
    """Parameter Store throttles us or does not respond: nothing is wrong with the secret, and a later attempt reads it."""


class Secrets:
    """Reads secrets by name. `client` creates an SSM client, and is called only when one is needed (25 ms).

    `names` are the secrets that are read together with the first one. `chance` returns a random number below 1.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        prefix: str,
        environ: Mapping[str, str],
        clock: Clock,
        names: Sequence[str] = (),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._environ = environ
        self._clock = clock
        self._names = names
        self._chance = chance
        self._cache: dict[str, tuple[str, datetime]] = {}  # the value, and when to read it again
        self._paused_until: datetime | None = None

    def public_url(self) -> str:
        """The public URL of our HTTP routes, such as https://abc.execute-api.eu-west-1.amazonaws.com/api; "" if unset.

        Raises:
            SecretsUnavailable: it cannot be read now.
        """
        try:
            url = self.secret("public-url").rstrip("/")
        except SecretsUnavailable:
            raise
        except MissingSecret:
            return ""
        return url if url.startswith("http") else ""  # resources.yaml writes "unset"

    def secret(self, name: str) -> str:
        """The value of one secret, such as "twilio-auth-token".

        Raises:
            SecretsUnavailable: it cannot be read now.
            MissingSecret: it does not exist, or access is denied.
        """
        if _variable(name) in self._environ:
            return self._environ[_variable(name)]
        now = self._clock()
        known = self._cache.get(name)
        if known and now < known[1]:
            return known[0]
        try:
            self._read(name, now)
        except SecretsUnavailable:
            if known:
                return known[0]  # rarely rotated: the old value is better than none
            raise
        return self._cache[name][0]

    def _read(self, name: str, now: datetime) -> None:
        """Read a secret together with the others."""
        path = self._prefix + name
        if self._paused_until and now < self._paused_until:
            raise SecretsUnavailable(f"could not read the secret {path} yet: Parameter Store throttled us or did not respond")
        others = [each for each in self._names if each != name and _variable(each) not in self._environ]
        others.sort(key=lambda each: each in self._cache)  # of more than ten, those that are not known yet
        paths = {self._prefix + each: each for each in (name, *others[: MAX_NAMES - 1])}
        try:
            parameters = self._client().get_parameters(Names=list(paths), WithDecryption=True)["Parameters"]
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            if _is_temporary(error):
                self._paused_until = now + PAUSE * (0.5 + self._chance())
                raise SecretsUnavailable(f"could not read the secret {path} ({code}); it is read again") from error
            raise _missing(path, code) from error
        read_again_at = now + CACHE_TIME * (1 - CACHE_SPREAD * self._chance())
        self._cache |= {paths[parameter["Name"]]: (str(parameter["Value"]), read_again_at) for parameter in parameters}
        if path not in {parameter["Name"] for parameter in parameters}:
            self._cache.pop(name, None)
            raise _missing(path, "ParameterNotFound")


def _variable(name: str) -> str:
    return f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}"


def _is_temporary(error: ClientError | BotoCoreError) -> bool:
    """Whether Parameter Store throttled the request, failed, or could not be reached."""
    if isinstance(error, BotoCoreError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _THROTTLED or status == 429 or status >= 500


def _missing(path: str, code: str) -> MissingSecret:
    return MissingSecret(
        f"could not read the secret {path} ({code}); to create it: "
        f"aws ssm put-parameter --type SecureString --name {path} --value file://the-secret.txt"
    )
