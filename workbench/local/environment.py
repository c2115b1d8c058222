"""The local world: MiniStack, the stage that a real `chalice deploy` puts into it, and the desk.

    with World(port=4566, desk_port=4580, on_step=print) as world:
        world.running.client("s3").upload_file(...)

It leaves nothing behind when its block ends, by an exception, Ctrl-C or SIGTERM. When the process itself is
killed, MiniStack notices, removes the folder and ends; the world.json left then counts as none.
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
from .local_account import BUCKET, FlaggedPortTaken, LocalAccount
from .local_deploy import DeployError, deploy, make_folder
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, MiniStack, MiniStackError
from .running import RunningEnvironment, read_running, remove_running, write_running
from .twilio.double import TwilioDouble

PORT, DESK_PORT = 4566, 4580
STAGE = "local"
_WAKE = {  # for the direct binding S3's own test, for the bus one an upload in a bucket that no rule names
    "Event": "s3:TestEvent",
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
    """The world could not be started. One sentence; `tail` is the end of a log that says more, or empty."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.tail = tail


class LocalEnvironment:
    """A local world, running while the block does."""

    running: RunningEnvironment
    ministack: MiniStack
    twilio: TwilioDouble

    def __init__(
        self,
        *,
        port: int = PORT,
        desk_port: int = DESK_PORT,
        project: Path = PROJECT,
        state: Path = STATE,
        on_step: Callable[[str], object] = lambda step: None,
        environment: Mapping[str, str] | None = None,
        ministack: Mapping[str, str] | None = None,
    ) -> None:
        """Ports of 0 are any free ones. `state` gets world.json and logs. `on_step` hears what begins. `environment` is
        more for the functions, `ministack` more of MiniStack's own variables.
        """
        self._environment, self._settings = environment or {}, ministack or {}
        self._port, self._desk_port = port, desk_port
        self._project, self._state, self._on_step = project, state, on_step
        self.variables: dict[str, str] = {}  # the environment of the stage's functions
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        """Start everything and wait until an upload would be noticed.

        Raises:
            WorldError: one sentence on what went wrong. Nothing is left running.
        """
        if other := read_running(self._state):
            raise LocalEnvironmentError(f"A local world already runs here (process {other.pid}): stop that one first.")
        with ExitStack() as stack:
            try:
                self._start(stack)
            except (FlaggedPortTaken, MiniStackError, SetupError, StackError) as error:
                raise LocalEnvironmentError(str(error)) from error
            except (BotoCoreError, ClientError) as error:
                raise LocalEnvironmentError(f"The local AWS refused a step of the start: {error}.") from error
            except DeployError as error:
                raise LocalEnvironmentError(str(error), error.tail) from error
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self._cleanup.close()

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(_stopping_on_sigterm())
        self._on_step("starting the local AWS")
        account = stack.enter_context(LocalAccount(port=self._port, desk_port=self._desk_port, ministack=self._settings))
        self.ministack = account.ministack
        self.shop = stack.enter_context(FaultyServer())
        target = account.target({"SHOP_URL": self.shop.url, **self._environment})
        made = make_folder(self._project, account.folder / "stage", STAGE, target)
        work = Setup(made, STAGE, account.client, pause_s=0.05)
        self.variables = work.variables()
        self._on_step("making tables, bucket and addresses")
        settings = work.settings(self.variables)
        account.furnish(settings, self.variables)
        put_feed(account.client("s3"), self._bucket)  # before anybody listens: all is well to begin with
        self.twilio = account.twilio
        self._set_up(work, settings, {"twilio-auth-token": account.token})
        self._on_step("deploying the app with chalice")
        deploy(made, STAGE, target, self._state / "logs" / "deploy.log")
        resources = deployed(made, STAGE)
        self.running = self._describe(account.desk, resources, made / ".chalice" / "deployed" / f"{STAGE}.json")
        finish_stage(made, STAGE, account.client, self.running.api or "")
        self._on_step("waking the functions")
        self._wake([item["lambda_arn"] for item in resources if "upload" in item["name"] and "lambda_arn" in item])
        stack.callback(remove_running, self._state)
        write_running(self.running, self._state)

    def _set_up(self, work: Setup, settings: Settings, known: Mapping[str, str]) -> None:
        """What `dropnote setup` does, without a question; secrets that nobody here knows are made up."""
        work.stack.execute(work.plan(settings))
        self.variables |= work.streams(settings)[0]
        prefix = self.variables["DROPNOTE_SECRETS"]
        for name in work.missing_secrets(settings, prefix):
            work.put_secret(prefix, name, known.get(name) or secrets.token_hex(16))
        place = work.place(settings)
        work.keep_logs(settings, self.variables, place)
        work.write(settings, self.variables, place)

    @property
    def _bucket(self) -> str:
        return self.variables.get("UPLOAD_BUCKET", BUCKET)

    def _wake(self, functions: list[str]) -> None:
        """Start the functions' workers by an event that no rule matches: the first upload is then quick."""
        client, payload = self.ministack.client("lambda"), json.dumps(_WAKE)
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda arn: client.invoke(FunctionName=arn, Payload=payload), functions))

    def _describe(self, desk: str, resources: list[dict[str, Any]], listed: Path) -> RunningEnvironment:
        api = next((item["rest_api_id"] for item in resources if item["resource_type"] == "rest_api"), None)
        endpoint = self.ministack.endpoint
        return RunningEnvironment(
            pid=os.getpid(),
            endpoint=endpoint,
            desk=desk,
            bucket=self._bucket,
            region=REGION,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            stage=STAGE,
            ledger=self.variables.get("DROPNOTE_LEDGER", f"dropnote-{STAGE}-ledger"),
            api=f"{endpoint}/restapis/{api}/api/_user_request_" if api else None,
            shop=self.shop.url,
            deployed=str(listed),
        )


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as an exception would, so that everything is taken down."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
