"""A fresh local account, as a user's is before the first set-up: a bucket, a verified sender, a Twilio account, and the local
server with the inbox.
"""

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from email.utils import parseaddr
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Any, Self

from chalicelib.domain.settings import Settings

from ..ports import PortTakenError
from .inbox import UploadTarget
from .local_deploy import Target
from .local_server import create_app, listening, serving
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, MiniStack, remove_folder
from .proxy.proxy import Proxy
from .resources import make_bucket, make_table, notify_source, verify_sender
from .rest_api import PREFIX
from .twilio.double import TwilioDouble
from .uploads.drop_zone import allow_inbox
from .webhooks.double import PREFIX as WEBHOOKS
from .webhooks.double import WebhookDouble, secrets_of

ACCOUNT_SID = "AC" + "0" * 32
BUCKET = "dropnote-uploads"


class PortOptionError(Exception):
    """A port from a command-line option is in use. One sentence."""


class LocalAccount:
    """A local account that exists while the block runs."""

    ministack: MiniStack
    twilio: TwilioDouble
    webhooks: WebhookDouble

    def __init__(self, *, port: int = 0, server_port: int = 0, ministack: Mapping[str, str] | None = None) -> None:
        """A port of 0 is any free one. `ministack` adds environment variables for MiniStack."""
        self._ports, self._ministack_settings = {"--port": port, "--inbox-port": server_port}, ministack or {}
        self._stack = ExitStack()
        self.token = secrets.token_hex(16)  # Twilio's

    def __enter__(self) -> Self:
        """Start the AWS emulator.

        Raises:
            PortOptionError: one of the ports is in use.
            MiniStackError: it did not start.
        """
        with ExitStack() as stack:
            with _naming_option("--inbox-port"):
                self._listener: socket = stack.enter_context(listening(self._ports["--inbox-port"]))
            self.folder = Path(tempfile.mkdtemp(prefix="dropnote-local-"))
            stack.callback(remove_folder, self.folder)
            self.ministack = MiniStack(self._ports["--port"], folder=self.folder, settings=self._ministack_settings)
            with _naming_option("--port"):
                stack.enter_context(self.ministack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self._stack.close()

    @property
    def server(self) -> str:
        """The base URL of the inbox page and the doubles."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def secrets(self, settings: Settings) -> dict[str, str]:
        """The secrets with which the settings reach the doubles."""
        return {"twilio-auth-token": self.token, **secrets_of(settings)}

    def client(self, service: str, region_name: str = REGION) -> Any:
        """A boto3 client for this account."""
        return self.ministack.client(service, region_name)

    def target(self, environment: Mapping[str, str] | None = None) -> Target:
        """The target of a deploy into this account. The functions use the doubles."""
        variables = {"TWILIO_BASE_URL": self.server, "WEBHOOK_BASE_URL": self.server + WEBHOOKS, **(environment or {})}
        return Target(self.ministack.endpoint, self.server + PREFIX, environment=variables)

    def recorded_target(self, stack: ExitStack) -> tuple[Target, Proxy, Proxy]:
        """The same target through a proxy for all services and one for the REST API; `stack` ends them."""
        all_, api = (stack.enter_context(Proxy(url)) for url in (self.ministack.endpoint, self.server))
        return replace(self.target(), endpoint=all_.url, rest_api=api.url + PREFIX), all_, api

    def credentials(self, name: str, policy: Mapping[str, Any]) -> dict[str, str]:
        """Create a user who may call the policy's actions and no others. Return its credentials as environment variables.

        Only the actions: MiniStack 1.5.33 cannot tell the resource of many requests.
        """
        iam, actions = self.client("iam"), sorted({action for statement in policy["Statement"] for action in statement["Action"]})
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))["Policy"]["Arn"]
        iam.create_user(UserName=name)
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def provision(self, settings: Settings, variables: Mapping[str, str]) -> None:
        """Create the resources that the settings expect to exist, and start the local server."""
        sender = settings.sms or settings.whatsapp
        self.twilio = TwilioDouble(sender.account if sender else ACCOUNT_SID, self.token)
        self.webhooks = WebhookDouble()
        self._people: dict[str, str] = {}
        self.provide(settings, variables)
        bucket = variables.get("UPLOAD_BUCKET", BUCKET)
        uploads = UploadTarget(self.ministack.endpoint, bucket, ACCESS_KEY, SECRET_KEY, REGION)
        app = create_app(self.twilio, self.ministack.endpoint, uploads=uploads, people=self._people, webhooks=self.webhooks)
        allow_inbox(self.client("s3"), bucket, self.server)
        self._stack.enter_context(serving(app, self._listener))

    def provide(self, settings: Settings, variables: Mapping[str, str]) -> None:
        """Create what the settings expect and is missing; tell the inbox and the Twilio double about their people and numbers."""
        buckets = {bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]}
        for name in dict.fromkeys((variables.get("UPLOAD_BUCKET", BUCKET), *settings.buckets)):
            if name not in buckets:
                make_bucket(self.ministack, name)
                notify_source(self.ministack, settings.bucket(name))
        for table in settings.tables:
            make_table(self.ministack, table)
        if queue := variables.get("UPLOAD_QUEUE"):
            self.client("sqs").create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "360"})
        if settings.email:
            verify_sender(self.ministack, parseaddr(settings.email.from_)[1], settings.email.region or REGION)
        for sender in filter(None, (settings.whatsapp, settings.sms)):
            self.twilio.account = sender.account
            self.twilio.numbers |= {sender.from_} - {""}
        self.twilio.whatsapp.prepare(settings)
        for person in settings.people.values():
            addresses = (person.email, person.sms, person.whatsapp)
            self._people |= {address: person.name for address in addresses if address}


@contextmanager
def _naming_option(option: str) -> Iterator[None]:
    """Name the option that chooses another port, if the port is in use."""
    try:
        yield
    except PortTakenError as error:
        raise PortOptionError(
            f"port {error.port} is in use by another program; choose another with {option} (0 picks a free one)"
        ) from None
