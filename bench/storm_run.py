"""Runs one burst in its own process: many uploads within a minute, for a rule that bundles. Measures only the bot's work.

    python -m bench.storm_run ENDPOINT UPLOADS SEED [single]     single: then = "off", a message per upload

It prints lines of JSON: {"events": 500} as progress, and the measurement as the last line. The tables must exist. A small burst
on another table comes first, so that one-time work is not measured. Every tenth event, a container also makes a bare put of the
same size for comparison: changes of the machine's speed affect both.
"""

import gc
import json
import random
import re
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import fmean
from threading import Lock
from time import perf_counter, process_time, thread_time
from typing import Any

from bench.storm_result import above_budget, missing_rows, sent_files
from bench.units import Meter
from chalicelib.bot.bot import Bot
from chalicelib.sources import s3
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import IF_ABSENT, LEDGER_CONFIG, Ledger
from tests.support.builders import NOON, some_settings
from tests.support.payloads import s3_notification, s3_record
from tests.support.stages import Stage, plenty
from workbench.local.ministack import local_client

CONTAINERS = 8
REDELIVERED = 5  # one upload in five is delivered twice
LATE = 10  # one in ten of those after the summary was sent
STAGES = ("warm", "prod")  # the stages with tables: for the small burst and the measured one
FOLDERS = 20
A_MINUTE = timedelta(minutes=1)
_BARE_EVERY = 10  # events per container
_WARM_UP = 300
_NOTIFY = {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:finance", "sms:asha"]'}
_BUNDLED = {'then = "off"\n': ""}
_PROGRESS_STEP = 500


@dataclass(frozen=True)
class Measurement:
    """The measurements of one burst. CPU is the bot's user plus system time."""

    uploads: int
    single: bool  # one message per upload
    received: int  # events
    files: dict[str, list[int]]  # by person and channel: the number of files in each message, in sending order
    over_budget: int  # messages or segments sent above a person's limit, in the worst hour or day
    missing: int  # uploads without a row for each recipient, or in a bundle
    units: dict[str, dict[str, Any]]  # by phase: receiving, waiting, flush, late, sweeps
    row_bytes: float  # mean size of written rows, nearly all of them members of a bundle
    cpu_ms: float  # per event
    bare_ms: float  # per bare put, at the same time
    flush_s: float
    flush_cpu_ms: float  # total
    sweeps: int
    sweep_cpu_ms: float  # per sweep with nothing to do
    start_mb: float
    peak_receiving_mb: float
    peak_mb: float
    seconds: float


class Storm:
    """The uploads of one burst and the containers that process them."""

    def __init__(
        self,
        client: Any,
        table: str,
        bare: Callable[[], object],
        uploads: int,
        on_progress: Callable[[int], object],
        *,
        single: bool = False,
    ) -> None:
        """Prepare the containers."""
        settings = some_settings(**_NOTIFY, **({} if single else _BUNDLED))
        self.stage = Stage(Ledger(client, table), TableStore(client, table), Bundles(client, table), settings, NOON)
        self.single = single
        self._bare, self._uploads, self._on_progress, self._events = bare, uploads, on_progress, 0
        self._bots = [self.stage.container()[1] for _ in range(CONTAINERS)]
        for bot in (*self._bots, self.stage.bot):
            bot.prepare()
        self._lock = Lock()

    def receive(self, numbers: Sequence[int]) -> tuple[float, float]:
        """Let these uploads arrive within a minute, each at the next free container. Return the CPU seconds used, and those of a
        bare put.
        """
        payloads = self._payloads(numbers)
        with ThreadPoolExecutor(CONTAINERS) as pool:
            results = list(pool.map(lambda bot: self._process(bot, payloads), self._bots))
        return sum(used for used, _ in results), fmean(seconds for _, bare in results for seconds in bare)

    def sweep(self) -> bool:
        """Sweep a minute later. Return whether anything was sent."""
        self.stage.now += A_MINUTE
        return bool(self.stage.bot.sweep(plenty))

    def _payloads(self, numbers: Sequence[int]) -> Iterator[str]:
        """S3's payload for each of these uploads, for several threads. The clock advances with them."""
        since = self.stage.now
        for index, number in enumerate(numbers):
            self.stage.now = since + A_MINUTE * (index / len(numbers))
            yield _payload(number, self._uploads)
            self._events += 1
            if self._events % _PROGRESS_STEP == 0:
                self._on_progress(self._events)

    def _process(self, bot: Bot, payloads: Iterator[str]) -> tuple[float, list[float]]:
        """Let one container process payloads one after the other, as in Lambda. Only the bot's time is measured."""
        used, bare = 0.0, []
        for number in count():
            if number % _BARE_EVERY == 0:
                began = thread_time()
                self._bare()
                bare.append(thread_time() - began)
            if not (payload := self._next(payloads)):
                break
            began = thread_time()
            bot.take(s3.from_notification(json.loads(payload)), plenty)
            used += thread_time() - began
        return used, bare[1:] or bare  # the first put opens the connection

    def _next(self, payloads: Iterator[str]) -> str:
        with self._lock:
            return next(payloads, "")


def run(storm: Storm, meter: Meter, uploads: int, seed: int) -> Measurement:
    """Run a burst from its first upload until an hour after its summary was sent."""
    began = perf_counter()
    first, late = arrivals(uploads, seed)
    gc.collect()
    gc.freeze()  # as app.py does
    start = memory_mb("VmRSS")
    with meter.counting("receiving"):
        cpu, bare = storm.receive(first)
    peak_receiving = memory_mb("VmHWM")
    with meter.counting("waiting"):
        for _ in range(8):
            storm.sweep()
    with meter.counting("flush"):
        flush_began, flush_cpu_began = perf_counter(), process_time()
        while not storm.sweep():
            flush_began, flush_cpu_began = perf_counter(), process_time()
        flush_s, flush_cpu = perf_counter() - flush_began, process_time() - flush_cpu_began
    with meter.counting("late"):
        cpu += storm.receive(late)[0]
    with meter.counting("sweeps"):
        sweeps, idle_began = 60, process_time()
        for _ in range(sweeps):
            storm.sweep()
        idle = process_time() - idle_began
    peak = memory_mb("VmHWM")
    received = len(first) + len(late)
    return Measurement(
        uploads=uploads,
        single=storm.single,
        received=received,
        files=sent_files(storm.stage),
        over_budget=above_budget(storm.stage),
        missing=missing_rows(storm.stage, uploads) if storm.single else 0,
        units={phase: vars(units) for phase, units in meter.units.items()},
        row_bytes=meter.mean_bytes,
        cpu_ms=cpu / received * 1e3,
        bare_ms=bare * 1e3,
        flush_s=flush_s,
        flush_cpu_ms=flush_cpu * 1e3,
        sweeps=sweeps,
        sweep_cpu_ms=idle / sweeps * 1e3,
        start_mb=start,
        peak_receiving_mb=peak_receiving,
        peak_mb=peak,
        seconds=perf_counter() - began,
    )


def arrivals(uploads: int, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """The order in which the uploads arrive, by number, and those that arrive again after the summary was sent."""
    dice, first = random.Random(seed), array("I", range(uploads))  # arrays, because a list would increase the peak memory
    dice.shuffle(first)
    redelivered = first[: uploads // REDELIVERED]
    late = redelivered[: len(redelivered) // LATE]
    first += redelivered[len(late) :]
    dice.shuffle(first)
    return first, late


def memory_mb(field: str) -> float:
    """Memory of this process: VmRSS is the current value, VmHWM the peak."""
    match = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(match[1]) / 1024 if match else 0.0


def _payload(number: int, uploads: int) -> str:
    key = f"in/line-{number % FOLDERS:02}/2026-03-02/scan {number:06}.tiff"
    record = s3_record(key, version="2.6", size=40_000 + number % 10_000, sequencer=f"{number:018X}")
    record["eventTime"] = f"{NOON + A_MINUTE * (number / uploads):%Y-%m-%dT%H:%M:%S}.000Z"
    return json.dumps(s3_notification(record))


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _bare_put(client: Any, table: str) -> Callable[[], object]:
    """A put as any program makes it; metered like the bot's."""
    numbers = count()

    def put() -> None:
        item = {"pk": {"S": f"bare#{next(numbers)}"}, "sk": {"S": "bare"}, "words": {"S": "w" * 480}}
        client.put_item(TableName=table, Item=item, ConditionExpression=IF_ABSENT)

    return put


def main(endpoint: str, uploads: str, seed: str, single: str = "") -> None:
    """Run a small burst, then the measured one."""
    retries = LEDGER_CONFIG.retries  # type: ignore[attr-defined]
    clients = [local_client(endpoint, "dynamodb", retries=retries) for _ in STAGES]
    meters, tables = [Meter(client) for client in clients], [f"dropnote-{stage}-ledger" for stage in STAGES]
    bare = _bare_put(clients[0], tables[0])
    run(Storm(clients[0], tables[0], bare, _WARM_UP, lambda _: None), meters[0], _WARM_UP, int(seed))
    storm = Storm(clients[1], tables[1], bare, int(uploads), lambda events: _print({"events": events}), single=bool(single))
    _print(vars(run(storm, meters[1], int(uploads), int(seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
