"""Runs recorded payloads through the handlers of app.py in this process, with a bot that keeps the events and sends nothing."""

import importlib.util
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

from chalice.test import Client

from chalicelib.bot import assembly
from chalicelib.domain.event import Batch
from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import STREAM, stream_variable
from chalicelib.sources.dynamodb_stream import parse_records

from ...paths import PROJECT

_ANY_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2026-01-01T00:00:00.000"


class RecordingBot:
    """What app.py calls: the bot's methods for triggers. It keeps the batches of one payload."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def take(self, batch: Batch, time_left: object) -> list[Any]:
        """Keep uploads or events of the bus."""
        self.batches.append(batch)
        return []

    def take_records(self, records: Sequence[tuple[str, Batch]], time_left: object) -> dict[str, Any]:
        """Keep the records of a queue."""
        self.batches += [batch for _, batch in records]
        return {"batchItemFailures": []}

    def take_item_changes(self, payload: object, time_left: object) -> dict[str, Any]:
        """Keep the records of a table's stream."""
        return self.take_records(parse_records(payload), time_left)

    def count(self, payload: object, time_left: object) -> dict[str, Any]:
        """Count nothing."""
        return {"batchItemFailures": []}

    def sweep(self, time_left: object, payload: object = None) -> list[Any]:
        """Send nothing: what is due is known to the ledger only."""
        return []

    def run_watch(self, function_arn: str, time_left: object) -> dict[str, int]:
        """Check nothing."""
        return {}


class LoadedApp:
    """app.py as Lambda loads it, with a recording bot."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.functions: Collection[str] = tuple(module.app.handler_map)

    def run(self, function: str, payload: Any) -> Batch:
        """Call a function with a payload; returns everything that its handler made of it."""
        bot = RecordingBot()
        self._module.__dict__["bot"] = lambda: bot
        with Client(self._module.app, project_dir=str(PROJECT)) as client:
            client.lambda_.invoke(function, payload)
        return Batch.join(bot.batches)


@contextmanager
def loaded_app(settings: Settings, variables: Mapping[str, str]) -> Iterator[LoadedApp]:
    """Load app.py with these settings and the environment of a stage, for a block. Streams that set-up would find are assumed."""
    streams = {stream_variable(table): _ANY_STREAM.format(table=table) for table in settings.tables}
    streams[STREAM] = _ANY_STREAM.format(table=variables.get("DROPNOTE_LEDGER", "ledger"))
    before, load = dict(os.environ), assembly.load_settings_or_exit
    os.environ.update({**streams, **variables})
    assembly.load_settings_or_exit = lambda environ, *, monitors: settings  # these have been checked, with readable errors
    try:
        spec = importlib.util.spec_from_file_location("dropnote_app", PROJECT / "app.py")
        if spec is None or spec.loader is None:
            raise ImportError("app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.__dict__["time_left"] = lambda context: lambda: timedelta(minutes=1)
        yield LoadedApp(module)
    finally:
        assembly.load_settings_or_exit = load
        os.environ.clear()
        os.environ.update(before)
