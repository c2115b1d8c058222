"""What matching costs with 1,000 rules, against 10, in one run: `.venv/bin/python -m bench.bench_rules`. Prints the ratio."""

import sys
from time import perf_counter

from chalicelib.domain.event import Event
from chalicelib.domain.rule import Rule
from chalicelib.rules.index import RuleIndex
from tests.support.builders import an_upload

ROUNDS = 2_000


def seconds(count: int, events: list[Event]) -> float:
    """The time to match each event ROUNDS times with that many rules, one folder a rule."""
    index = RuleIndex([Rule(str(n), "acme-drops", key=(f"team-{n}/**/*.pdf",)) for n in range(count)])
    for event in events:
        index.match(event)  # patterns are compiled when first needed
    started = perf_counter()
    for _ in range(ROUNDS):
        for event in events:
            index.match(event)
    return perf_counter() - started


def main() -> None:
    """Interleave the two, so that a machine that changes its speed changes both."""
    events = [an_upload(f"team-{n}/2026/report.pdf") for n in range(10)]
    pairs = [(seconds(1_000, events), seconds(10, events)) for _ in range(5)]
    ratio = sorted(many / few for many, few in pairs)[2]
    per_event = pairs[0][1] / ROUNDS / len(events) * 1e6
    sys.stdout.write(f"1,000 rules cost {ratio:.2f} times what 10 do ({per_event:.1f} µs an event)\n")


if __name__ == "__main__":
    main()
