"""The bot as Lambda runs it, put together from the environment once in a container; clients are made when first used."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from .bot import Bot
from .channels.registry import transport_of
from .channels.transport import Transport
from .delivery.defer import Deferrer
from .delivery.deliver import LEASE, Deliverer
from .delivery.flush import FlushInputs
from .domain.event import Upload
from .domain.people import Channel
from .domain.settings import Settings, SettingsError
from .platform import aws, log
from .platform.aws import Clients
from .platform.clock import Clock, utc_now
from .platform.secrets import CLIENT_CONFIG, Secrets
from .rendering.renderer import TEMPLATES, Renderer, template_names
from .settings.reader import load
from .store.bundles import Bundles
from .store.control import Control, TableStore
from .store.dead_letters import DeadLetterQueue
from .store.ledger import LEDGER_CONFIG, Ledger

if TYPE_CHECKING:
    from .monitors.runner import Watch

SETTINGS_FILE = Path(__file__).parent / "dropnote.toml"


def load_settings(environ: Mapping[str, str], path: Path = SETTINGS_FILE, *, monitors: bool = True) -> Settings:
    """The settings that ride in the package, with this stage's environment put in; without `monitors` those are not read.

    Raises:
        SettingsError: with every finding.
    """
    return load(path, environ=environ, templates=template_names(TEMPLATES), monitors=monitors)


def load_settings_or_exit(environ: Mapping[str, str], *, monitors: bool) -> Settings:
    """The settings; SystemExit with every error otherwise, so that `chalice deploy` prints no traceback and deploys nothing."""
    try:
        return load_settings(environ, monitors=monitors)
    except SettingsError as error:
        raise SystemExit(f"chalicelib/dropnote.toml is not in order:\n{error}") from None


def make_bot(settings: Settings, environ: Mapping[str, str], clients: Clients | None = None, clock: Clock = utc_now) -> Bot:
    """Put a bot together. `clients` makes AWS clients; a test hands in one that points at an emulator.

    Raises:
        KeyError: the environment lacks DROPNOTE_LEDGER or DROPNOTE_STAGE.
    """
    clients = clients or aws.clients()
    secrets = Secrets(lambda: clients("ssm", config=CLIENT_CONFIG), environ.get("DROPNOTE_SECRETS", "/dropnote/"), environ, clock)

    dynamodb, table = clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_LEDGER"]

    made: dict[Channel, Transport] = {}
    making = Lock()

    def transport(channel: Channel) -> Transport:
        with making:  # several threads send, and botocore makes clients in one thread at a time
            if channel in made:
                return made[channel]
            transport = transport_of(channel, settings, secrets, clients, environ)
            if channel is Channel.EMAIL and settings.email and settings.email.transport == "ses":
                made[channel] = transport  # it has connections; the others have a secret, which may be another tomorrow
            return transport

    ledger = Ledger(dynamodb, table)
    deliverer = Deliverer(
        settings=settings,
        ledger=ledger,
        control=Control(TableStore(dynamodb, table), clock),
        deferrer=Deferrer(ledger, Bundles(dynamodb, table), clock),
        renderer=Renderer(settings, stage=environ["DROPNOTE_STAGE"]),
        transport=transport,
        clock=clock,
        lease=timedelta(seconds=float(environ.get("DROPNOTE_LEASE_SECONDS", LEASE.total_seconds()))),
    )
    queue = environ.get("DROPNOTE_DEAD_EVENTS")
    dead_letters = DeadLetterQueue(lambda: clients("sqs"), queue, deliverer.lease) if queue else None

    def failures(person: str, since: datetime, until: datetime) -> Mapping[datetime, int]:
        from .store.counters import Counters  # only a digest asks for it

        counters = environ.get("DROPNOTE_COUNTERS")
        return Counters(dynamodb, counters).failures_of(person, since, until) if counters else {}

    def content(upload: Upload) -> bytes:
        try:
            answer = clients("s3").get_object(Bucket=upload.bucket, Key=upload.key)
            return bytes(answer["Body"].read())
        except (ClientError, BotoCoreError) as error:  # then it is a marker that lists nothing
            log.warning("manifest-not-read", bucket=upload.bucket, why=type(error).__name__)
            return b""

    def watch() -> "Watch":
        from .monitors.runner import Watch
        from .store.incidents import Incidents

        return Watch(deliverer, Incidents(dynamodb, table), clients)

    inputs = FlushInputs(failures, content)
    return Bot(deliverer, environ, clients, dead_letters, secrets, flush_inputs=inputs, make_watch=watch)


def time_left(context: Any) -> Callable[[], timedelta]:
    """How much time the invocation has left, asked anew at each call; a minute where there is no context."""
    if context is None:
        return lambda: timedelta(minutes=1)
    return lambda: timedelta(milliseconds=context.get_remaining_time_in_millis())


def request_id(context: Any) -> str:
    """The id of the invocation: a repeated one has the same id."""
    return getattr(context, "aws_request_id", None) or uuid4().hex
