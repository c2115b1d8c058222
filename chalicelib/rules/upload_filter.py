"""Applies the further conditions of upload rules, and reads a fact from S3 only if the outcome depends on it.

A condition is met, failed, or unknown. `any`, `all` and `not` combine them as in three-valued logic: `any` is met if one
alternative is, whatever the unknown ones are. A fact is read while the outcome is unknown and a reading may still change it.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import partial
from typing import Any

from msgspec import Struct

from ..domain.conditions import Condition, ValueTest
from ..domain.event import Event, Upload
from ..domain.filters.upload import Fact, Facts, FactValue, Head, Previous, ReadFact, Tags, Unread, UploadFilter
from ..platform.phrases import duration
from ..platform.sanitize import shorten
from . import globs
from .item_tests import MISSING, value_passes

MAX_SHOWN = 80  # characters of a value that somebody else chose


class Verdict(Struct, frozen=True):
    """Whether conditions are met; None if that depends on a fact that is unknown. `why` says so for False and None."""

    value: bool | None
    why: str = ""
    needs: Fact | None = None  # the fact was not read yet
    denied: bool = False  # the fact cannot be read because a permission is missing


_MET = Verdict(True)


def decide(filter_: UploadFilter, event: Event, facts: MutableMapping[Fact, FactValue], read: ReadFact | None) -> Verdict:
    """The verdict on an upload. Facts that are missing, and that it depends on, are read and added to `facts`."""
    verdict = evaluate(filter_, event, facts)
    while verdict.value is None and verdict.needs and read and event.upload:
        facts[verdict.needs] = read(event.upload, verdict.needs)
        verdict = evaluate(filter_, event, facts)
    return verdict


def evaluate(filter_: UploadFilter, event: Event, facts: Facts) -> Verdict:
    """The verdict with the facts at hand."""
    return _all_of(verdict for _, verdict in conditions(filter_, event, facts))


def conditions(filter_: UploadFilter, event: Event, facts: Facts) -> Iterator[tuple[str, Verdict]]:
    """Each condition by its name in the settings, and the verdict on it. The ones that need no request come first."""
    if event.upload is None:
        return
    for name, check in _CHEAP.items():
        if getattr(filter_, name):
            yield name, check(filter_, event.upload)
    for name, (fact, test) in _WITH_FACT.items():
        if getattr(filter_, name):
            yield name, _with_fact(facts.get(fact), fact, name, partial(test, filter_, event))
    for name, inner, combine in (("any", filter_.any, _any_of), ("all", filter_.all, _all_of), ("not", filter_.none, _none_of)):
        if inner:
            yield name, combine([evaluate(alternative, event, facts) for alternative in inner])


def _all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Met if all are; failed if one is."""
    unknown: list[Verdict] = []
    for verdict in verdicts:
        if verdict.value is False:
            return verdict
        if verdict.value is None:
            unknown.append(verdict)
    return _unknown(unknown) if unknown else _MET


def _any_of(verdicts: list[Verdict]) -> Verdict:
    if any(verdict.value for verdict in verdicts):
        return _MET
    if unknown := [verdict for verdict in verdicts if verdict.value is None]:
        return _unknown(unknown)
    return Verdict(False, f"no alternative of any matches: {'; '.join(verdict.why for verdict in verdicts)}")


def _none_of(verdicts: list[Verdict]) -> Verdict:
    if any(verdict.value for verdict in verdicts):
        return Verdict(False, "it matches what the rule excludes with not")
    unknown = [verdict for verdict in verdicts if verdict.value is None]
    return _unknown(unknown) if unknown else _MET


def _unknown(verdicts: list[Verdict]) -> Verdict:
    return Verdict(
        None,
        "; ".join(dict.fromkeys(verdict.why for verdict in verdicts)),
        next((verdict.needs for verdict in verdicts if verdict.needs), None),
        any(verdict.denied for verdict in verdicts),
    )


def _with_fact(value: FactValue | None, fact: Fact, name: str, test: Callable[[Any], str]) -> Verdict:
    if value is None:
        return Verdict(None, f"{name} not read", needs=fact)
    if isinstance(value, Unread):
        return Verdict(None, f"{name}: {value.why}", denied=value.denied)
    return _verdict(test(value))


def _verdict(mismatch: str) -> Verdict:
    return Verdict(False, mismatch) if mismatch else _MET


def _key(filter_: UploadFilter, upload: Upload) -> Verdict:
    return _verdict("" if globs.matches(filter_.key, upload.key) else f"key does not match {', '.join(filter_.key)}")


def _size(filter_: UploadFilter, upload: Upload) -> Verdict:
    if upload.size is None or filter_.size is None:
        return Verdict(None, "size unknown")
    return _verdict("" if filter_.size.contains(upload.size) else f"size {upload.size:,} bytes is outside the range")


def _created(filter_: UploadFilter, upload: Upload) -> Verdict:
    is_created = upload.creation in filter_.created
    return _verdict("" if is_created else f"created by {upload.creation}, not {' or '.join(filter_.created)}")


def _uploader(filter_: UploadFilter, upload: Upload) -> Verdict:
    if not upload.by:  # an upload that a backfill found
        return Verdict(None, "uploader unknown")
    shown = shorten(upload.by, MAX_SHOWN)
    return _verdict(
        "" if globs.matches(filter_.uploader, upload.by) else f"uploader {shown} does not match {', '.join(filter_.uploader)}"
    )


def _content_type(filter_: UploadFilter, event: Event, head: Head) -> str:
    """Compare without parameters and in lower case: "text/csv; charset=UTF-8" is text/csv (RFC 9110, section 8.3.1)."""
    media_type = head.content_type.partition(";")[0].strip().lower()[:MAX_SHOWN]
    if globs.matches(filter_.content_type, media_type):
        return ""
    return f"content type is {media_type or 'missing'}, not {' or '.join(filter_.content_type)}"


def _metadata(filter_: UploadFilter, event: Event, head: Head) -> str:
    return _first_mismatch(filter_.metadata, head.metadata, "metadata")


def _tags(filter_: UploadFilter, event: Event, tags: Tags) -> str:
    return _first_mismatch(filter_.tags, tags.tags, "tag")


def _previous(filter_: UploadFilter, event: Event, previous: Previous) -> str:
    age_s = MISSING if previous.at is None else max(0.0, (event.at - previous.at).total_seconds())
    if any(value_passes(test, age_s) for test in filter_.previous):
        return ""
    if previous.at is None:
        return "new key: there was no version before it"
    return f"replaces a version of {previous.at:%Y-%m-%d %H:%M} UTC, {duration(event.at - previous.at)} older"


def _first_mismatch(tests: tuple[Condition, ...], values: Any, kind: str) -> str:
    for condition in tests:
        value = values.get(condition.field, MISSING)
        if not any(value_passes(test, value) for test in condition.tests):
            actual = "missing" if value is MISSING else repr(shorten(value, MAX_SHOWN))
            return f"{kind} {condition.field} is {actual}, not {' or '.join(map(describe_test, condition.tests))}"
    return ""


def describe_test(test: ValueTest) -> str:
    """A test as the settings write it."""
    if test.operator in ("exists", "missing"):
        return test.operator
    operand = ", ".join(test.operand) if test.operator == "in" else str(test.operand)
    return operand if test.operator == "is" else f"{'!=' if test.operator == 'not' else test.operator} {operand}"


_CHEAP: dict[str, Callable[[UploadFilter, Upload], Verdict]] = {
    "key": _key,
    "size": _size,
    "created": _created,
    "uploader": _uploader,
}
_WITH_FACT: dict[str, tuple[Fact, Callable[[UploadFilter, Event, Any], str]]] = {
    "content_type": (Fact.HEAD, _content_type),
    "metadata": (Fact.HEAD, _metadata),
    "tags": (Fact.TAGS, _tags),
    "previous": (Fact.PREVIOUS, _previous),
}
