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
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from email.utils import parseaddr
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.rules import RuleIndex

from .deployment.finish import deployed, finish_stage
from .deployment.setup import Setup, SetupError
from .deployment.stack import StackError
from .desk import create_app, listening, serving
from .inbox import Uploads
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, MiniStack, MiniStackError, PortTakenError, remove_folder
from .places import PROJECT, STATE
from .resources import make_bucket, verify_sender
from .rest_api import PREFIX
from .running import RunningWorld, read_world, remove_world, write_world
from .stage import DeployError, Target, deploy, make_folder
from .twilio_double import TwilioDouble

PORT, DESK_PORT = 4566, 4580
STAGE = "local"
ACCOUNT_SID = "AC" + "0" * 32
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


class WorldError(Exception):
    """The world could not be started. One sentence; `tail` is the end of a log that says more, or empty."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.tail = tail


class World:
    """A local world, running while the block does."""

    running: RunningWorld
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
        if other := read_world(self._state):
            raise WorldError(f"A local world already runs here (process {other.pid}): stop that one first.")
        with ExitStack() as stack:
            try:
                self._start(stack)
            except (MiniStackError, SetupError, StackError) as error:
                raise WorldError(str(error)) from error
            except (BotoCoreError, ClientError) as error:
                raise WorldError(f"The local AWS refused a step of the start: {error}.") from error
            except DeployError as error:
                raise WorldError(str(error), error.tail) from error
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop everything."""
        self._cleanup.close()

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(_stopping_on_sigterm())
        self._on_step("starting the local AWS")
        with _flag("--desk-port"):
            listener = stack.enter_context(listening(self._desk_port))
        desk = f"http://127.0.0.1:{listener.getsockname()[1]}"
        folder = Path(tempfile.mkdtemp(prefix="dropnote-world-"))
        stack.callback(remove_folder, folder)
        with _flag("--port"):
            self.ministack = stack.enter_context(MiniStack(self._port, folder=folder, settings=self._settings))
        environment = {"TWILIO_BASE_URL": desk, **self._environment}
        target = Target(self.ministack.endpoint, desk + PREFIX, environment=environment)
        made = make_folder(self._project, folder / "stage", STAGE, target)
        work = Setup(made, STAGE, self.ministack.client, pause_s=0.05)
        self.variables = work.variables()
        self._furnish(stack, work, listener)
        self._on_step("deploying the app with chalice")
        deploy(made, STAGE, target, self._state / "logs" / "deploy.log")
        resources = deployed(made, STAGE)
        self.running = self._describe(desk, resources, made / ".chalice" / "deployed" / f"{STAGE}.json")
        finish_stage(made, STAGE, self.ministack.client, self.running.api)
        self._on_step("waking the functions")
        self._wake([item["lambda_arn"] for item in resources if "upload" in item["name"] and "lambda_arn" in item])
        stack.callback(remove_world, self._state)
        write_world(self.running, self._state)

    def _furnish(self, stack: ExitStack, work: Setup, listener: Any) -> None:
        """What a user's account has before, the desk, and what `dropnote setup` makes."""
        self._on_step("making tables, bucket and addresses")
        settings = work.settings(self.variables)
        token = secrets.token_hex(16)
        account = settings.sms.account if settings.sms else ACCOUNT_SID
        self.twilio = TwilioDouble(account, token, numbers=[settings.sms.from_] if settings.sms and settings.sms.from_ else [])
        for bucket in dict.fromkeys((self._bucket, *RuleIndex(settings.rules).buckets)):
            make_bucket(self.ministack, bucket)
        if queue := self.variables.get("UPLOAD_QUEUE"):
            self.ministack.client("sqs").create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "360"})
        if settings.email:
            verify_sender(self.ministack, parseaddr(settings.email.from_)[1])
        work.stack.execute(work.plan(settings))
        known = {"twilio-auth-token": token}
        for name in work.missing_secrets(settings, self.variables["DROPNOTE_SECRETS"]):
            work.put_secret(self.variables["DROPNOTE_SECRETS"], name, known.get(name) or secrets.token_hex(16))
        work.write(settings, self.variables, work.place(settings))
        people = {way: person.name for person in settings.people.values() for way in (person.email, person.sms) if way}
        uploads = Uploads(self.ministack.endpoint, self._bucket, ACCESS_KEY, SECRET_KEY, REGION)
        app = create_app(self.twilio, self.ministack.endpoint, uploads=uploads, people=people)
        stack.enter_context(serving(app, listener))

    @property
    def _bucket(self) -> str:
        return self.variables.get("UPLOAD_BUCKET", "dropnote-uploads")

    def _wake(self, functions: list[str]) -> None:
        """Start the functions' workers by an event that no rule matches: the first upload is then quick."""
        client, payload = self.ministack.client("lambda"), json.dumps(_WAKE)
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(lambda arn: client.invoke(FunctionName=arn, Payload=payload), functions))

    def _describe(self, desk: str, resources: list[dict[str, Any]], listed: Path) -> RunningWorld:
        api = next((item["rest_api_id"] for item in resources if item["resource_type"] == "rest_api"), None)
        endpoint = self.ministack.endpoint
        return RunningWorld(
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
            deployed=str(listed),
        )


@contextlib.contextmanager
def _flag(flag: str) -> Iterator[None]:
    """Say which flag chooses the port that is taken."""
    try:
        yield
    except PortTakenError as error:
        raise WorldError(
            f"Port {error.port} is in use by another program: choose another with {flag} (0 takes any free one)."
        ) from None


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
