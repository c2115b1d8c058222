"""Metrics for CloudWatch, as log lines in its embedded metric format: no API call. Pure.

The counting function writes them, so an upload pays nothing. One line has the deliveries of one minute with the same rule,
channel, outcome and reason. A metric never names a person or an address.
Source: Amazon CloudWatch user guide, "Specification: Embedded metric format" (at most 100 values per metric, dimensions are
texts); API reference, "Dimension" (ASCII, at most 1024 characters, no colon at the start).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..domain.settings import MetricsSettings
from ..platform.clock import to_ms
from .hourly_counts import latency_of
from .ledger_stream import Transition

NAMESPACE = "Dropnote"
DELIVERIES, LATENCY = "Deliveries", "Latency"
STAGE, RULE, CHANNEL, OUTCOME, REASON = "Stage", "Rule", "Channel", "Outcome", "Reason"
# By the words of [metrics], by. CloudWatch bills each combination of values as a metric, so there is no set of all dimensions.
DIMENSION_SETS: dict[str, list[str]] = {
    "rule": [STAGE, RULE, OUTCOME],
    "channel": [STAGE, CHANNEL, OUTCOME],
    "reason": [STAGE, REASON],
}
_ALWAYS = [STAGE, OUTCOME]
_LATENCY_SETS: dict[str, list[str]] = {"channel": [STAGE, CHANNEL]}
_MAX_VALUES = 100
_MAX_DIMENSION = 255  # characters; long rule names are cut


class _Group(NamedTuple):
    minute: datetime
    rule: str
    channel: str
    outcome: str
    reason: str


def metric_lines(transitions: Iterable[Transition], settings: MetricsSettings, stage: str) -> Iterator[dict[str, Any]]:
    """The members of each line: dimensions, values and `_aws`, which tells CloudWatch what they are."""
    groups: dict[_Group, list[Transition]] = {}
    for transition in transitions:
        groups.setdefault(_group_of(transition), []).append(transition)
    for group, members in groups.items():
        for start in range(0, len(members), _MAX_VALUES):
            yield _line(group, members[start : start + _MAX_VALUES], settings, stage)


def _group_of(transition: Transition) -> _Group:
    delivery, minute = transition.delivery, transition.at.replace(second=0, microsecond=0)
    return _Group(minute, delivery.rule, delivery.channel.value, delivery.state.value, delivery.reason.value)


def _line(group: _Group, members: Sequence[Transition], settings: MetricsSettings, stage: str) -> dict[str, Any]:
    values: dict[str, Any] = {DELIVERIES: len(members)}
    sets = [_ALWAYS, *(DIMENSION_SETS[name] for name in settings.by)]
    directives = [_directive(sets, DELIVERIES, "Count")]
    latencies = [latency_of(member.delivery, member.at) for member in members if group.outcome == "sent"]
    if seconds := [round(latency.total_seconds(), 3) for latency in latencies if latency is not None]:
        values[LATENCY] = seconds
        sets = [[STAGE], *(_LATENCY_SETS[name] for name in settings.by if name in _LATENCY_SETS)]
        directives.append(_directive(sets, LATENCY, "Seconds"))
    dimensions = {STAGE: stage, RULE: group.rule, CHANNEL: group.channel, OUTCOME: group.outcome, REASON: group.reason}
    return {
        **{name: _ascii(value) for name, value in dimensions.items()},
        **values,
        "_aws": {"Timestamp": to_ms(group.minute), "CloudWatchMetrics": directives},
    }


def _directive(dimension_sets: Sequence[list[str]], metric: str, unit: str) -> dict[str, Any]:
    return {"Namespace": NAMESPACE, "Dimensions": list(dimension_sets), "Metrics": [{"Name": metric, "Unit": unit}]}


def _ascii(value: str) -> str:
    """A dimension's value; other characters become escapes, such as \\xe9."""
    return value.encode("ascii", "backslashreplace").decode()[:_MAX_DIMENSION].lstrip(":") or "(none)"
