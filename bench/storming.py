"""One storm, in a process of its own: so many uploads within a minute, for a rule that bundles; what it measures is the bot's.

    python -m bench.storming ENDPOINT UPLOADS SEED

It writes lines of JSON: {"done": 500} as events are taken, and what was measured in the last one. The tables are there already.
A small storm on a table of its own comes first, so that what is loaded once is counted in no figure. Now and then a container
makes a bare put of the same size, to compare with: a machine that changes its speed changes both.
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
from itertools import count
from pathlib import Path
from statistics import fmean
from threading import Lock
from time import perf_counter, process_time, thread_time
from typing import Any

from bench.units import Meter
from chalicelib.bot import Bot
from chalicelib.domain.delivery import Delivery
from chalicelib.sources import s3
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import LEDGER_CONFIG, NEW, Ledger
from tests.support.builders import NOON, some_settings
from tests.support.payloads import s3_notification, s3_record
from tests.support.stages import Stage, plenty
from workbench.local.ministack import local_client

CONTAINERS = 8
AGAIN = 5  # one upload in so many is told to us twice
LATE = 10  # one of those in so many comes again only when the bundle is told
STAGES = ("warm", "prod")  # whose tables are there: the small storm's and the other's
FOLDERS = 20
A_MINUTE = timedelta(minutes=1)
_BARE_EVERY = 10  # events of a container
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
    bare_ms: float  # a bare put, made beside
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

    def __init__(
        self, client: Any, table: str, bare: Callable[[], object], uploads: int, on_done: Callable[[int], object]
    ) -> None:
        """Nothing comes yet."""
        self.stage = Stage(
            Ledger(client, table), TableStore(client, table), Bundles(client, table), some_settings(**_NOTIFY), NOON
        )
        self._bare, self._uploads, self._on_done, self._came = bare, uploads, on_done, 0
        self._bots = [self.stage.container()[1] for _ in range(CONTAINERS)]
        for bot in (*self._bots, self.stage.bot):
            bot.prepare()
        self._handing_out = Lock()

    def take(self, numbers: Sequence[int]) -> tuple[float, float]:
        """Let these uploads arrive within a minute, each at whichever container is free; gives the CPU seconds that took, and
        those of a bare put.
        """
        events = self._payloads(numbers)
        with ThreadPoolExecutor(CONTAINERS) as pool:
            found = list(pool.map(lambda bot: self._taken(bot, events), self._bots))
        return sum(used for used, _ in found), fmean(each for _, bare in found for each in bare)

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

    def _taken(self, bot: Bot, events: Iterator[str]) -> tuple[float, list[float]]:
        """One container takes one payload after the other, as Lambda hands them out; only the bot's time counts."""
        used, bare = 0.0, []
        for number in count():
            if number % _BARE_EVERY == 0:
                began = thread_time()
                self._bare()
                bare.append(thread_time() - began)
            if not (payload := self._next(events)):
                break
            began = thread_time()
            bot.take(s3.from_notification(json.loads(payload)), plenty)
            used += thread_time() - began
        return used, bare[1:] or bare  # the first one connects

    def _next(self, events: Iterator[str]) -> str:
        with self._handing_out:
            return next(events, "")


def play(storm: Storm, meter: Meter, uploads: int, seed: int) -> Measured:
    """A storm from its first upload until an hour after its bundle was told."""
    began = perf_counter()
    first, late = arrivals(uploads, seed)
    gc.collect()
    gc.freeze()  # as app.py does
    before = memory_mb("VmRSS")
    with meter.counting("taking"):
        cpu, bare = storm.take(first)
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
        cpu += storm.take(late)[0]
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
        bare_ms=bare * 1e3,
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
    dice, first = random.Random(seed), array("I", range(uploads))  # arrays: a list of as many would be seen in the peak
    dice.shuffle(first)
    again = first[: uploads // AGAIN]
    late = again[: len(again) // LATE]
    first += again[len(late) :]
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


def _bare_put(client: Any, table: str) -> Callable[[], object]:
    """A put as any program makes it; metered like the bot's."""
    numbers = count()

    def put() -> None:
        item = {"pk": {"S": f"bare#{next(numbers)}"}, "sk": {"S": "bare"}, "words": {"S": "w" * 480}}
        client.put_item(TableName=table, Item=item, ConditionExpression=NEW)

    return put


def main(endpoint: str, uploads: str, seed: str) -> None:
    """A small storm, then the one that counts."""
    retries = LEDGER_CONFIG.retries  # type: ignore[attr-defined]
    clients = [local_client(endpoint, "dynamodb", retries=retries) for _ in STAGES]
    meters, tables = [Meter(client) for client in clients], [f"dropnote-{stage}-ledger" for stage in STAGES]
    bare = _bare_put(clients[0], tables[0])
    play(Storm(clients[0], tables[0], bare, _WARM_UP, lambda _: None), meters[0], _WARM_UP, int(seed))
    storm = Storm(clients[1], tables[1], bare, int(uploads), lambda done: _say({"done": done}))
    _say(vars(play(storm, meters[1], int(uploads), int(seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
