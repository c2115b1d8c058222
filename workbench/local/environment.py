"""Starts the local environment: MiniStack, a stage deployed into it by a real `chalice deploy`, and the local server.

    with LocalEnvironment(port=4566, server_port=4580, on_step=print) as environment:
        environment.running.client("s3").upload_file(...)

Nothing is left behind when the block ends, whether by an exception, Ctrl-C or SIGTERM. If the process itself is killed, MiniStack
notices, removes the folder and ends; read_running ignores the remaining environment.json.
"""

import contextlib
import json
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.settings import Settings

from ..deployment.finish import deployed, finish_stage
from ..deployment.setup import Setup, SetupError
from ..deployment.stack import StackError
from ..paths import PROJECT, STATE
from .demo.demo_incidents import put_feed
from .demo.faulty_server import FaultyServer
from .local_account import BUCKET, LocalAccount, PortOptionError
from .local_deploy import DeployError, deploy, make_folder
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, MiniStack, MiniStackError
from .running import RunningEnvironment, read_running, remove_running, write_running
from .twilio.double import TwilioDouble
from .webhooks.double import WebhookDouble

PORT, SERVER_PORT = 4566, 4580
STAGE = "local"
TERMINATED = 128 + signal.SIGTERM  # exit code of a process that SIGTERM ended
_WARM_UP_EVENT = {  # for the S3 trigger, its own test event; for others, an upload that no rule matches; for a queue, no message
    "Event": "s3:TestEvent",
    "Records": [],
    "version": "0",
    "id": "wake",
    "source": "aws.s3",
    "detail-type": "Object Created",
    "time": "2026-01-01T00:00:00Z",
    "region": REGION,
    "detail": {
        "bucket": {"name": "not-a-bucket-of-any-rule"},
        "object": {"key": "wake", "size": 1, "etag": "0", "sequencer": "00"},
        "reason": "PutObject",
    },
}


class LocalEnvironmentError(Exception):
    """The environment could not be started. One sentence; `tail` is the end of a log with details, or empty."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.tail = tail


class LocalEnvironment:
    """A local environment that runs while the block does."""

    running: RunningEnvironment
    ministack: MiniStack
    twilio: TwilioDouble
    webhooks: WebhookDouble
    settings: Settings
    setup: Setup  # of the folder that is deployed
    functions: dict[str, str]  # ARNs by name

    def __init__(
        self,
        *,
        port: int = PORT,
        server_port: int = SERVER_PORT,
        project: Path = PROJECT,
        state: Path = STATE,
        on_step: Callable[[str], object] = lambda step: None,
        environment: Mapping[str, str] | None = None,
        ministack: Mapping[str, str] | None = None,
    ) -> None:
        """A port of 0 is any free one. `state` is the folder for environment.json and logs. `on_step` receives each step's name.
        `environment` adds variables for the functions, `ministack` for MiniStack.
        """
        self._environment, self._ministack_settings = environment or {}, ministack or {}
        self._port, self._server_port = port, server_port
        self.project, self._state, self._on_step = project, state, on_step
        self.variables: dict[str, str] = {}  # the environment of the stage's functions
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        """Start everything and wait until the bot processes uploads.

        Raises:
            LocalEnvironmentError: what went wrong, in one sentence. Nothing is left running.
        """
        if other := read_running(self._state):
            raise LocalEnvironmentError(f"a local environment is already running here (process {other.pid}); stop it first")
        with ExitStack() as stack:
            try:
                self._start(stack)
            except (PortOptionError, MiniStackError, SetupError, StackError) as error:
                raise LocalEnvironmentError(str(error)) from error
            except (BotoCoreError, ClientError) as error:
                raise LocalEnvironmentError(f"the local AWS emulator rejected a step of the start: {error}") from error
            except DeployError as error:
                raise LocalEnvironmentError(str(error), error.tail) from error
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self._cleanup.close()

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(_stopping_on_sigterm())
        self._on_step("Starting the local AWS emulator")
        self.account = account = stack.enter_context(
            LocalAccount(port=self._port, server_port=self._server_port, ministack=self._ministack_settings)
        )
        self.ministack = account.ministack
        self.shop = stack.enter_context(FaultyServer())
        self.target = account.target({"SHOP_URL": self.shop.url, **self._environment})
        folder = make_folder(self.project, account.folder / "stage", STAGE, self.target)
        self.setup = setup = Setup(folder, STAGE, account.client, pause_s=0.05)
        self.variables = setup.variables()
        self._on_step("Creating tables, bucket and addresses")
        self.settings = settings = setup.settings(self.variables)
        account.provision(settings, self.variables)
        put_feed(account.client("s3"), self._bucket)  # before the deploy: every monitor starts OK, and no rule fires
        self.twilio, self.webhooks = account.twilio, account.webhooks
        self.deploy(self._on_step)
        self._on_step("Warming up the functions")
        self.warm_up()
        stack.callback(remove_running, self._state)
        write_running(self.running, self._state)

    def deploy(self, on_step: Callable[[str], object]) -> None:
        """Set up, deploy and finish the stage from its folder: the first time, or after changes there.

        Raises:
            SetupError, StackError, DeployError, BotoCoreError, ClientError: a step failed.
        """
        folder, account = self.setup.project, self.account
        self._set_up(self.setup, self.settings, account.secrets(self.settings))
        on_step("Deploying the app with Chalice")
        deploy(folder, STAGE, self.target, self._state / "logs" / "deploy.log")
        resources = deployed(folder, STAGE)
        self.functions = {item["name"]: item["lambda_arn"] for item in resources if "lambda_arn" in item}
        self.running = self._describe(account.server, resources, folder / ".chalice" / "deployed" / f"{STAGE}.json")
        finish_stage(folder, STAGE, account.client, self.running.api or "", lambda question, default: default)

    def _set_up(self, setup: Setup, settings: Settings, known_secrets: Mapping[str, str]) -> None:
        """Do what `dropnote setup` does, without questions. Unknown secrets get random values."""
        setup.stack.execute(setup.plan(settings))
        prefix = self.variables["DROPNOTE_SECRETS"]
        for name in setup.missing_secrets(settings, prefix):
            setup.put_secret(prefix, name, known_secrets.get(name) or secrets.token_hex(32))
        location = setup.location(settings)
        self.variables |= setup.event_sources(settings, location)[0]
        setup.create_log_groups(settings, self.variables, location)
        setup.write(settings, self.variables, location)

    @property
    def _bucket(self) -> str:
        return self.variables.get("UPLOAD_BUCKET", BUCKET)

    def warm_up(self) -> None:
        """Start the workers of the functions of uploads with an event that no rule matches, so that the next upload is fast."""
        functions = [arn for name, arn in self.functions.items() if "upload" in name]
        client, payload = self.ministack.client("lambda"), json.dumps(_WARM_UP_EVENT)
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda arn: client.invoke(FunctionName=arn, Payload=payload), functions))

    def _describe(self, server: str, resources: list[dict[str, Any]], deployed_file: Path) -> RunningEnvironment:
        api = next((item["rest_api_id"] for item in resources if item["resource_type"] == "rest_api"), None)
        endpoint = self.ministack.endpoint
        return RunningEnvironment(
            pid=os.getpid(),
            endpoint=endpoint,
            server=server,
            bucket=self._bucket,
            region=REGION,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            stage=STAGE,
            ledger=self.variables.get("DROPNOTE_LEDGER", f"dropnote-{STAGE}-ledger"),
            api=f"{endpoint}/restapis/{api}/api/_user_request_" if api else None,
            shop=self.shop.url,
            deployed=str(deployed_file),
        )


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block like an exception, so that everything is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # make passes on the signal that the whole process group received
        raise SystemExit(TERMINATED)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
