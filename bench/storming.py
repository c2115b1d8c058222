"""One storm, in a process of its own: so many uploads within a minute, for a rule that bundles; what it measures is the bot's.

    python -m bench.storming ENDPOINT UPLOADS SEED

It writes lines of JSON: {"done": 500} as events are taken, and what was measured in the last one. The tables are there already.
A small storm on a table of its own comes first, so that what is loaded once is counted in no figure.
"""

import gc
import json
import random
import re
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from time import perf_counter, process_time, thread_time
from typing import Any

from bench.units import Meter
from chalicelib.bot import Bot
from chalicelib.bundles import Bundles
from chalicelib.control import TableStore
from chalicelib.delivery import Delivery
from chalicelib.events import s3
from chalicelib.ledger import LEDGER_CONFIG, Ledger
from tests.builders import NOON, some_settings
from tests.payloads import s3_notification, s3_record
from tests.worlds import Stage, plenty
from workbench.ministack import local_client

CONTAINERS = 8
AGAIN = 5  # one upload in so many is told to us twice
LATE = 10  # one of those in so many comes again only when the bundle is told
STAGES = ("warm", "prod")  # whose tables are there: the small storm's and the other's
FOLDERS = 20
A_MINUTE = timedelta(minutes=1)
_WARM_UP = 300
_RULE = "uploads"
_NOTIFY = {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:finance", "sms:asha"]\nthen = "10m"'}
_A_STEP = 500  # of the progress


@dataclass(frozen=True)
class Measured:
    """What one storm took. CPU is the bot's: user and system."""

    uploads: int
    received: int
    told: dict[str, list[int]]  # by person and channel: how many files each message told of, in the order they were sent
    units: dict[str, dict[str, Any]]  # by what was going on: taking, waiting, flush, late, sweeps
    row_bytes: float  # what was written, on the average: nearly all of it is members
    cpu_ms: float  # an event
    flush_s: float
    flush_cpu_ms: float  # in all
    sweeps: int
    sweep_cpu_ms: float  # one that has nothing to do
    before_mb: float
    peak_taking_mb: float
    peak_mb: float
    seconds: float


class Storm:
    """The uploads of one storm, and the containers that take them."""

    def __init__(self, client: Any, table: str, uploads: int, on_done: Callable[[int], object]) -> None:
        """Nothing comes yet."""
        self.stage = Stage(
            Ledger(client, table), TableStore(client, table), Bundles(client, table), some_settings(**_NOTIFY), NOON
        )
        self._uploads, self._on_done, self._came = uploads, on_done, 0
        self._bots = [self.stage.container()[1] for _ in range(CONTAINERS)]
        for bot in (*self._bots, self.stage.bot):
            bot.prepare()
        self._handing_out = Lock()

    def take(self, numbers: Sequence[int]) -> float:
        """Let these uploads arrive within a minute, each at whichever container is free; gives the CPU seconds it took."""
        events = self._payloads(numbers)
        with ThreadPoolExecutor(CONTAINERS) as pool:
            return sum(pool.map(lambda bot: self._taken(bot, events), self._bots))

    def sweep(self) -> bool:
        """Sweep a minute later; whether it told anything."""
        self.stage.now += A_MINUTE
        return bool(self.stage.bot.sweep(plenty))

    def told(self) -> dict[str, list[int]]:
        """How many files each message of the rule told of, by person and channel."""
        found = defaultdict(list)
        for taken in (*self.stage.mail.taken, *self.stage.text.taken):
            row: Delivery = self.stage.ledger.get(taken.delivery)
            if row.rule == _RULE:
                found[f"{row.person} {row.channel}"].append(row.event.summary.files if row.event.summary else 1)
        return dict(found)

    def _payloads(self, numbers: Sequence[int]) -> Iterator[str]:
        """What S3 says of each of these uploads, for several threads; the clock goes with them."""
        since = self.stage.now
        for index, number in enumerate(numbers):
            self.stage.now = since + A_MINUTE * (index / len(numbers))
            yield _payload(number, self._uploads)
            self._came += 1
            if self._came % _A_STEP == 0:
                self._on_done(self._came)

    def _taken(self, bot: Bot, events: Iterator[str]) -> float:
        """One container takes one payload after the other, as Lambda hands them out; only the bot's time counts."""
        used = 0.0
        while payload := self._next(events):
            began = thread_time()
            bot.take(s3.from_notification(json.loads(payload)), plenty)
            used += thread_time() - began
        return used

    def _next(self, events: Iterator[str]) -> str:
        with self._handing_out:
            return next(events, "")


def play(client: Any, meter: Meter, table: str, uploads: int, seed: int, on_done: Callable[[int], object]) -> Measured:
    """A storm from its first upload until an hour after its bundle was told."""
    began, storm = perf_counter(), Storm(client, table, uploads, on_done)
    first, late = arrivals(uploads, seed)
    gc.collect()
    gc.freeze()  # as app.py does
    before = memory_mb("VmRSS")
    with meter.counting("taking"):
        cpu = storm.take(first)
    peak_taking = memory_mb("VmHWM")
    with meter.counting("waiting"):
        for _ in range(8):
            storm.sweep()
    with meter.counting("flush"):
        flush_began, flush_cpu_began = perf_counter(), process_time()
        while not storm.sweep():
            flush_began, flush_cpu_began = perf_counter(), process_time()
        flush_s, flush_cpu = perf_counter() - flush_began, process_time() - flush_cpu_began
    with meter.counting("late"):
        cpu += storm.take(late)
    with meter.counting("sweeps"):
        sweeps, idle_began = 60, process_time()
        for _ in range(sweeps):
            storm.sweep()
        idle = process_time() - idle_began
    peak = memory_mb("VmHWM")
    received = len(first) + len(late)
    return Measured(
        uploads=uploads,
        received=received,
        told=storm.told(),
        units={what: vars(units) for what, units in meter.units.items()},
        row_bytes=meter.mean_bytes,
        cpu_ms=cpu / received * 1e3,
        flush_s=flush_s,
        flush_cpu_ms=flush_cpu * 1e3,
        sweeps=sweeps,
        sweep_cpu_ms=idle / sweeps * 1e3,
        before_mb=before,
        peak_taking_mb=peak_taking,
        peak_mb=peak,
        seconds=perf_counter() - began,
    )


def arrivals(uploads: int, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """In which order the uploads arrive, by number, and which of them once more when the bundle is told."""
    dice = random.Random(seed)
    again = array("L", dice.sample(range(uploads), uploads // AGAIN))
    late = again[: len(again) // LATE]
    first = array("L", range(uploads)) + again[len(late) :]
    dice.shuffle(first)
    return first, late


def memory_mb(what: str) -> float:
    """VmRSS: what this process has in memory. VmHWM: the most it has had."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _payload(number: int, uploads: int) -> str:
    key = f"in/line-{number % FOLDERS:02}/2026-03-02/scan {number:06}.tiff"
    record = s3_record(key, version="2.6", size=40_000 + number % 10_000, sequencer=f"{number:018X}")
    record["eventTime"] = f"{NOON + A_MINUTE * (number / uploads):%Y-%m-%dT%H:%M:%S}.000Z"
    return json.dumps(s3_notification(record))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(endpoint: str, uploads: str, seed: str) -> None:
    """A small storm, then the one that counts."""
    for stage, count in zip(STAGES, (_WARM_UP, int(uploads)), strict=True):
        client = local_client(endpoint, "dynamodb", retries=LEDGER_CONFIG.retries)  # type: ignore[attr-defined]
        on_done = (lambda _: None) if stage == "warm" else (lambda done: _say({"done": done}))
        measured = play(client, Meter(client), f"dropnote-{stage}-ledger", count, int(seed), on_done)
    _say(vars(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
