"""What a delivery counts in the hourly rows: its outcome, its latency, the segments of a text, and the files it reports. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ..domain.delivery import Delivery, Reason, State
from ..domain.event import Kind, identity_of
from ..domain.rule import Rule
from ..policy.counts import CountRecord, bounded, file_facts, folder_name
from ..store.counts.counter_writes import MARK_RETENTION
from ..store.counts.hourly import (
    FILES,
    OTHER_FOLDERS,
    Counts,
    Outcome,
    folder_count,
    latency_count,
    outcome_count,
    segments_count,
)
from .latency import latency_class

_ON_PURPOSE = (Reason.QUIET, Reason.DIGEST, Reason.OVER_BUDGET, Reason.OPERATOR)  # such a delay is no latency


def counts_of_outcome(delivery: Delivery, at: datetime, number: str = "") -> Counts:
    """What a delivery counts that reached its state at `at`. `number`, a text's recipient, counts under its prefix only."""
    counts = {outcome_count(Outcome(delivery.channel.value, delivery.state.value, delivery.reason.value)): 1}
    if delivery.state is not State.SENT:
        return counts
    if (latency := latency_of(delivery, at)) is not None:
        counts[latency_count(latency_class(latency.total_seconds()))] = 1
    if delivery.segments:
        from ..platform.fields.countries import pricing_code  # imported late: most mails need no table of countries

        counts[segments_count(pricing_code(number))] = delivery.segments
    return counts


def latency_of(delivery: Delivery, at: datetime) -> timedelta | None:
    """The time from an upload to the acceptance of its message. None for other messages, and for one delayed on purpose: by quiet
    hours, a digest, a budget or an operator.
    """
    if delivery.event.kind is not Kind.UPLOAD or any(step.reason in _ON_PURPOSE for step in delivery.steps):
        return None
    return max(at - delivery.event.at, timedelta(0))


def counts_of_uploads(delivery: Delivery, rule: Rule | None, at: datetime) -> CountRecord | None:
    """The files that a delivery reports, with a mark that is the same for every recipient, so each upload counts once.

    A file counts when the first of its deliveries ends, sent or not, for the hour of its upload. One that several rules report
    counts once if each sends it alone, and once per rule in summaries, which name only some of their files. `rule` is the
    delivery's, if the settings still have it. Not counted: a file whose first delivery ends after two days, because by then the
    mark of another recipient may have expired.
    """
    event = delivery.event
    if event.kind not in (Kind.UPLOAD, Kind.BUNDLE) or at - delivery.created_at > MARK_RETENTION:
        return None
    if delivery.state is State.UNDELIVERED or any(step.reason is Reason.OPERATOR for step in delivery.steps):
        return None  # it ended before
    folders = _files_by_folder(delivery, rule)
    files = sum(folders.values())
    mark = identity_of("uploads", "" if event.upload else delivery.rule, *file_facts(event))
    counts = {FILES: files, **{folder_count(name): amount for name, amount in folders.items()}}
    return CountRecord(mark, event.at, (), counts) if files else None


def _files_by_folder(delivery: Delivery, rule: Rule | None) -> Counts:
    event, summary = delivery.event, delivery.event.summary
    upload = event.upload or event.lead
    bucket = upload.bucket if upload else rule.bucket if rule else ""
    if summary is None:
        return _add_up([(_path(bucket, event.upload.key.rpartition("/")[0]), 1)]) if event.upload else {}
    named = [(_path(bucket, folder.name), folder.files) for folder in summary.folders if folder.files]
    more = summary.files - sum(files for _, files in named)
    return _add_up([*named, *([(OTHER_FOLDERS, more)] if more > 0 else [])])


def _add_up(amounts: Iterable[tuple[str, int]]) -> Counts:
    sums: Counts = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, 0) + amount
    return sums


def _path(bucket: str, folder: str) -> str:
    name = folder_name(folder)
    return f"{bounded(bucket)}/{'' if name == '/' else name}"
