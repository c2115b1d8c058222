"""The bot as Lambda runs it, put together from the environment once in a container; clients are made when first used."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from . import aws, log
from .aws import Clients
from .bot import Bot
from .bundles import Bundles
from .channels import Transport
from .channels.registry import transport_of
from .clock import Clock, utc_now
from .collecting import Collector
from .control import Control, TableStore
from .dead_events import DeadEvents
from .deliver import LEASE, Deliverer
from .events import Upload
from .flushing import Outside
from .ledger import LEDGER_CONFIG, Ledger
from .message import Channel
from .parameters import PARAMETERS_CONFIG, Parameters
from .render import TEMPLATES, Renderer, template_names
from .settings import Settings, load

if TYPE_CHECKING:
    from .watch import Watch

SETTINGS_FILE = Path(__file__).parent / "dropnote.toml"


def load_settings(environ: Mapping[str, str], path: Path = SETTINGS_FILE, *, monitors: bool = True) -> Settings:
    """The settings that ride in the package, with this stage's environment put in; without `monitors` those are not read.

    Raises:
        SettingsError: with every finding.
    """
    return load(path, environ=environ, templates=template_names(TEMPLATES), monitors=monitors)


def make_bot(settings: Settings, environ: Mapping[str, str], clients: Clients | None = None, clock: Clock = utc_now) -> Bot:
    """Put a bot together. `clients` makes AWS clients; a test hands in one that points at an emulator.

    Raises:
        KeyError: the environment lacks DROPNOTE_LEDGER or DROPNOTE_STAGE.
    """
    clients = clients or aws.clients()
    parameters = Parameters(
        lambda: clients("ssm", config=PARAMETERS_CONFIG), environ.get("DROPNOTE_SECRETS", "/dropnote/"), environ, clock
    )

    dynamodb, table = clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_LEDGER"]

    made: dict[Channel, Transport] = {}
    making = Lock()

    def transport(channel: Channel) -> Transport:
        with making:  # several threads send, and botocore makes clients in one thread at a time
            if channel in made:
                return made[channel]
            transport = transport_of(channel, settings, parameters, clients, environ)
            if channel is Channel.EMAIL and settings.email and settings.email.transport == "ses":
                made[channel] = transport  # it has connections; the others have a secret, which may be another tomorrow
            return transport

    ledger = Ledger(dynamodb, table)
    deliverer = Deliverer(
        settings=settings,
        ledger=ledger,
        control=Control(TableStore(dynamodb, table), clock),
        collector=Collector(ledger, Bundles(dynamodb, table), clock),
        renderer=Renderer(settings, stage=environ["DROPNOTE_STAGE"]),
        transport=transport,
        clock=clock,
        lease=timedelta(seconds=float(environ.get("DROPNOTE_LEASE_SECONDS", LEASE.total_seconds()))),
    )
    queue = environ.get("DROPNOTE_DEAD_EVENTS")
    dead_events = DeadEvents(lambda: clients("sqs"), queue, deliverer.lease) if queue else None

    def failures(person: str, since: datetime, until: datetime) -> Mapping[datetime, int]:
        from .counters import Counters  # only a digest asks for it

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
        from .incidents import Incidents
        from .watch import Watch

        return Watch(deliverer, Incidents(dynamodb, table), clients)

    return Bot(settings, deliverer, dead_events, parameters, outside=Outside(failures, content), make_watch=watch)


def time_left(context: Any) -> Callable[[], timedelta]:
    """How much time the invocation has left, asked anew at each call; a minute where there is no context."""
    if context is None:
        return lambda: timedelta(minutes=1)
    return lambda: timedelta(milliseconds=context.get_remaining_time_in_millis())
