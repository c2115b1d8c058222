"""Composition root: builds the bot from the environment, once per container. AWS clients are created when first used."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from ..channels.registry import is_kept, make_transport, parameter_names
from ..channels.transport import Transport
from ..delivery.defer import Deferrer
from ..delivery.deliver import Deliverer
from ..delivery.flush import FlushInputs
from ..delivery.pacing.hand_over import HandOver
from ..delivery.pacing.request import STARTING, SweepRequest, sweep_starter
from ..delivery.record import LEASE
from ..domain.event import Upload
from ..domain.people import Channel
from ..domain.settings import Settings, SettingsError
from ..platform import aws, custom, log
from ..platform.aws import ClientFactory
from ..platform.clock import Clock, utc_now
from ..platform.secrets import CLIENT_CONFIG, Secrets
from ..rendering.renderer import Renderer
from ..rendering.templates import template_names
from ..settings.reader import load
from ..store.bundles import Bundles
from ..store.control import Control, TableStore
from ..store.dead_letters import DeadLetterQueue
from ..store.ledger import LEDGER_CONFIG, Ledger
from .bot import Bot

if TYPE_CHECKING:
    from ..console.parts import Console
    from ..domain.filters.upload import Fact, FactValue, ReadFact
    from ..monitors.runner import Watch
    from ..store.objects import ObjectReader

SETTINGS_FILE = custom.settings_file()


def use_own_files(environ: MutableMapping[str, str]) -> None:
    """Use the user's own folder, if there is one: its current files, and the variables that its config.json has for this stage.
    Exits if that file has an error.
    """
    try:
        custom.refresh_links()
        environ.update(custom.stage_variables(environ))
    except custom.ConfigError as error:
        raise SystemExit(str(error)) from None


def load_settings(environ: Mapping[str, str], path: Path = SETTINGS_FILE, *, monitors: bool = True) -> Settings:
    """Read the settings file, filled with this stage's environment. Without `monitors`, [[monitors]] is skipped.

    Raises:
        SettingsError: with every error found.
    """
    return load(path, environ=environ, templates=template_names(), monitors=monitors)


def load_settings_or_exit(environ: Mapping[str, str], *, monitors: bool) -> Settings:
    """Read the settings, or exit with every error: `chalice deploy` then prints no traceback and deploys nothing."""
    try:
        return load_settings(environ, monitors=monitors)
    except SettingsError as error:
        raise SystemExit(f"{custom.SETTINGS_NAME} has errors (dropnote check shows their lines):\n{error}") from None


def make_bot(settings: Settings, environ: Mapping[str, str], clients: ClientFactory | None = None, clock: Clock = utc_now) -> Bot:
    """Build a bot. `clients` creates AWS clients; tests pass one that uses an emulator.

    Raises:
        KeyError: the environment lacks DROPNOTE_LEDGER or DROPNOTE_STAGE.
    """
    clients = clients or aws.client_factory()
    prefix, names = environ.get("DROPNOTE_SECRETS", "/dropnote/"), parameter_names(settings)
    secrets = Secrets(lambda: clients("ssm", config=CLIENT_CONFIG), prefix, environ, clock, names)

    dynamodb, table = clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_LEDGER"]

    transports: dict[Channel, Transport] = {}
    lock = Lock()

    def transport(channel: Channel) -> Transport:
        with lock:  # several threads send, and botocore may create clients in one thread at a time only
            if channel in transports:
                return transports[channel]
            transport = make_transport(channel, settings, secrets, clients, environ)
            if is_kept(channel, settings):
                transports[channel] = transport
            return transport

    ledger = Ledger(dynamodb, table)
    start_sweep = sweep_starter(clients, f"dropnote-{environ['DROPNOTE_STAGE']}-sweep")
    starts = environ.get("AWS_LAMBDA_FUNCTION_NAME", "").rpartition("-")[2].startswith(STARTING)
    deliverer = Deliverer(
        settings=settings,
        ledger=ledger,
        control=Control(TableStore(dynamodb, table), clock),
        deferrer=Deferrer(ledger, Bundles(dynamodb, table), clock),
        renderer=Renderer(settings, stage=environ["DROPNOTE_STAGE"]),
        transport=transport,
        clock=clock,
        lease=timedelta(seconds=float(environ.get("DROPNOTE_LEASE_SECONDS", LEASE.total_seconds()))),
        hand_over=HandOver(partial(start_sweep, SweepRequest(temporary=True))) if starts else HandOver(),
    )
    queue = environ.get("DROPNOTE_DEAD_EVENTS")
    dead_letters = DeadLetterQueue(lambda: clients("sqs"), queue, deliverer.lease) if queue else None

    def failures(person: str, since: datetime, until: datetime) -> Mapping[datetime, int]:
        from ..store.counts.counters import Counters  # imported late: only digests need it

        counters = environ.get("DROPNOTE_COUNTERS")
        return Counters(dynamodb, counters).failures_by_hour(person, since, until) if counters else {}

    def content(upload: Upload) -> bytes:
        try:
            response = clients("s3").get_object(Bucket=upload.bucket, Key=upload.key)
            return bytes(response["Body"].read())
        except (ClientError, BotoCoreError) as error:  # the marker then counts as one that lists no files
            log.warning("manifest-not-read", bucket=upload.bucket, why=type(error).__name__)
            return b""

    def watch() -> "Watch":
        from ..monitors.runner import Watch
        from ..store.incidents import Incidents

        return Watch(deliverer, Incidents(dynamodb, table), clients)

    inputs = FlushInputs(failures, content)
    return Bot(
        deliverer,
        environ,
        clients,
        dead_letters,
        secrets,
        flush_inputs=inputs,
        make_watch=watch,
        start_sweep=start_sweep,
        read_fact=_fact_reader(clients),
    )


def _fact_reader(clients: ClientFactory) -> "ReadFact":
    """Reads facts about objects. Its client is created with the first fact that a rule needs."""
    lock, readers = Lock(), list["ObjectReader"]()

    def read(upload: Upload, fact: "Fact") -> "FactValue":
        from ..store.objects import ObjectReader  # imported late: few rules need it

        with lock:
            if not readers:
                readers.append(ObjectReader(clients))
        return readers[0].read(upload, fact)

    return read


def make_console(bot: Bot, environ: Mapping[str, str], clients: ClientFactory | None = None) -> "Console":
    """Build the console of a bot.

    Raises:
        LookupError: the bot was created without secrets.
    """
    from ..console.parts import Console  # imported late: only the API function needs it

    if bot.secrets is None:
        raise LookupError("this bot has no secrets")
    return Console(bot.intake, bot.secrets, clients or aws.client_factory(), environ)


def time_left(context: Any) -> Callable[[], timedelta]:
    """A function that returns the invocation's remaining time; always a minute without a context."""
    if context is None:
        return lambda: timedelta(minutes=1)
    return lambda: timedelta(milliseconds=context.get_remaining_time_in_millis())


def request_id(context: Any) -> str:
    """The id of the invocation. A retry has the same id."""
    return getattr(context, "aws_request_id", None) or uuid4().hex
