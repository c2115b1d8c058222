"""Compares matching with 1,000 rules to 10, and prints the ratio: `.venv/bin/python -m bench.rules`."""

import sys
from time import perf_counter

from chalicelib.domain.event import Event
from chalicelib.domain.rule import Rule
from chalicelib.rules.index import RuleIndex
from tests.support.builders import an_upload

ROUNDS = 2_000


def seconds(count: int, events: list[Event]) -> float:
    """The time to match each event ROUNDS times with `count` rules, each for its own folder."""
    index = RuleIndex([Rule(str(n), "acme-drops", key=(f"team-{n}/**/*.pdf",)) for n in range(count)])
    for event in events:
        index.match(event)  # patterns are compiled on first use
    started = perf_counter()
    for _ in range(ROUNDS):
        for event in events:
            index.match(event)
    return perf_counter() - started


def main() -> None:
    """Interleave both measurements, so that changes of the machine's speed affect both."""
    events = [an_upload(f"team-{n}/2026/report.pdf") for n in range(10)]
    pairs = [(seconds(1_000, events), seconds(10, events)) for _ in range(5)]
    ratio = sorted(many / few for many, few in pairs)[2]
    per_event = pairs[0][1] / ROUNDS / len(events) * 1e6
    sys.stdout.write(f"1,000 rules take {ratio:.2f} times as long as 10 ({per_event:.1f} µs per event)\n")


if __name__ == "__main__":
    main()
