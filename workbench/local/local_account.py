"""An account on this machine, as a user's is before the first set-up: a bucket, a verified sender, a Twilio account; and the
desk, where what arrives can be seen.
"""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email.utils import parseaddr
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Self

from chalicelib.domain.settings import Settings

from .inbox import Uploads
from .local_deploy import Target
from .local_server import create_app, listening, serving
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, MiniStack, PortTakenError, remove_folder
from .resources import make_bucket, make_table, verify_sender
from .rest_api import PREFIX
from .twilio.double import TwilioDouble

ACCOUNT_SID = "AC" + "0" * 32
BUCKET = "dropnote-uploads"


class FlaggedPortTaken(Exception):
    """A port that a flag chooses is somebody else's. One sentence."""


class LocalAccount:
    """One account, there while the block runs."""

    ministack: MiniStack
    twilio: TwilioDouble

    def __init__(self, *, port: int = 0, desk_port: int = 0, ministack: Mapping[str, str] | None = None) -> None:
        """Ports of 0 are any free ones. `ministack` is more of MiniStack's own variables."""
        self._ports, self._settings = {"--port": port, "--desk-port": desk_port}, ministack or {}
        self._stack = ExitStack()
        self.token = secrets.token_hex(16)  # Twilio's

    def __enter__(self) -> Self:
        """Start the local AWS.

        Raises:
            FlaggedPortTaken: somebody else has one of the ports.
            MiniStackError: it did not start.
        """
        with ExitStack() as stack:
            self._listener = self._take(stack, "--desk-port")
            self.folder = Path(tempfile.mkdtemp(prefix="dropnote-world-"))
            stack.callback(remove_folder, self.folder)
            self.ministack = MiniStack(self._ports["--port"], folder=self.folder, settings=self._settings)
            with _naming("--port"):
                stack.enter_context(self.ministack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it all."""
        self._stack.close()

    @property
    def desk(self) -> str:
        """The base URL of the inbox page and of Twilio."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def client(self, service: str) -> Any:
        """A boto3 client of this account."""
        return self.ministack.client(service)

    def target(self, environment: Mapping[str, str] | None = None) -> Target:
        """Where a deploy goes; the functions find Twilio here too."""
        return Target(
            self.ministack.endpoint, self.desk + PREFIX, environment={"TWILIO_BASE_URL": self.desk, **(environment or {})}
        )

    def furnish(self, settings: Settings, variables: Mapping[str, str]) -> None:
        """Make what the settings take for granted, and open the desk."""
        sms = settings.sms
        numbers = [sms.from_] if sms and sms.from_ else []
        self.twilio = TwilioDouble(sms.account if sms else ACCOUNT_SID, self.token, numbers=numbers)
        bucket = variables.get("UPLOAD_BUCKET", BUCKET)
        for name in dict.fromkeys((bucket, *settings.buckets)):
            make_bucket(self.ministack, name)
        for table in settings.tables:
            make_table(self.ministack, table)
        if queue := variables.get("UPLOAD_QUEUE"):
            self.client("sqs").create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "360"})
        if settings.email:
            verify_sender(self.ministack, parseaddr(settings.email.from_)[1])
        people = {way: person.name for person in settings.people.values() for way in (person.email, person.sms) if way}
        uploads = Uploads(self.ministack.endpoint, bucket, ACCESS_KEY, SECRET_KEY, REGION)
        app = create_app(self.twilio, self.ministack.endpoint, uploads=uploads, people=people)
        self._stack.enter_context(serving(app, self._listener))

    def _take(self, stack: ExitStack, flag: str) -> socket:
        with _naming(flag):
            return stack.enter_context(listening(self._ports[flag]))


@contextmanager
def _naming(flag: str) -> Iterator[None]:
    """Say which flag chooses the port that is taken."""
    try:
        yield
    except PortTakenError as error:
        raise FlaggedPortTaken(
            f"Port {error.port} is in use by another program: choose another with {flag} (0 takes any free one)."
        ) from None
