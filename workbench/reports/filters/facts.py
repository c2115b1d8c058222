"""Facts about an object, from options or from S3, and the conditions on them in words."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.conditions import Condition, ValueTest
from chalicelib.domain.event import Event, Upload
from chalicelib.domain.filters.upload import Fact, Facts, FactValue, Head, Previous, ReadFact, Tags, Unread, UploadFilter
from chalicelib.domain.rule import SizeRange
from chalicelib.platform.fields.values import parse_duration
from chalicelib.platform.phrases import duration
from chalicelib.rules.upload_filter import conditions, describe_test
from chalicelib.store.objects import ObjectReader


def given_facts(at: datetime, content_type: str, metadata: Sequence[str], tags: Sequence[str], previous: str) -> Facts:
    """The facts about an object that options give: metadata and tags as NAME=VALUE, the replaced version as "none" or its age.
    `at` is the time of the upload.

    Raises:
        ValueError: one of them is not of this form.
    """
    facts: dict[Fact, FactValue] = {}
    if content_type or metadata:  # without a content type, S3 stores its default
        pairs = {name.lower(): value for name, value in map(pair, metadata)}
        facts[Fact.HEAD] = Head(content_type or "binary/octet-stream", pairs)
    if tags:
        facts[Fact.TAGS] = Tags(dict(map(pair, tags)))
    if previous:
        facts[Fact.PREVIOUS] = Previous(None if previous == "none" else at - parse_duration(previous))
    return facts


def pair(text: str) -> tuple[str, str]:
    """Split NAME=VALUE.

    Raises:
        ValueError: it is not of this form.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE; use for example class=confidential")
    return name, value


def read_object(client: Callable[..., Any], upload: Upload) -> tuple[Upload, ReadFact]:
    """The upload with the size and version of the object as it is now, and what reads further facts about it.

    Raises:
        ValueError: the object does not exist, or may not be read.
        ClientError, BotoCoreError: S3 did not respond.
    """
    reader = ObjectReader(client)
    head = reader.read(upload, Fact.HEAD)
    if isinstance(head, Unread):
        raise ValueError(  # noqa: TRY004  not about a type
            f"s3://{upload.bucket}/{upload.key} cannot be read: {head.why}"
        )
    response = reader.client.head_object(Bucket=upload.bucket, Key=upload.key)
    size = response["ContentLength"] if upload.size is None else upload.size
    return replace(upload, size=size, version=response.get("VersionId", "")), reader.read


def describe_conditions(filter_: UploadFilter, event: Event, facts: Facts) -> Iterator[tuple[str, str, str, str]]:
    """Each further condition of a rule: its name, what it requires, why it fails, and why its outcome is unknown."""
    required = describe_filter(filter_)
    for name, verdict in conditions(filter_, event, facts):
        mismatch, unknown = (verdict.why if verdict.value is value else "" for value in (False, None))
        yield name, required[name], mismatch, unknown


def describe_filter(filter_: UploadFilter) -> dict[str, str]:
    """What each condition of a filter requires, by its name in the settings; those in a table of any, all or not in brackets."""
    required = {
        "key": ", ".join(filter_.key),
        "size": _describe_size(filter_.size) if filter_.size else "",
        "created": ", ".join(filter_.created),
        "uploader": ", ".join(filter_.uploader),
        "content_type": ", ".join(filter_.content_type),
        "metadata": _describe_values(filter_.metadata),
        "tags": _describe_values(filter_.tags),
        "previous": " or ".join(map(_describe_previous, filter_.previous)),
        "any": " or ".join(map(_in_brackets, filter_.any)),
        "all": " and ".join(map(_in_brackets, filter_.all)),
        "not": " or ".join(map(_in_brackets, filter_.none)),
    }
    return {name: text for name, text in required.items() if text}


def _describe_size(size: SizeRange) -> str:
    bounds = ((">=", size.min_bytes), ("<=", size.max_bytes))
    return " and ".join(f"{sign} {bound:,} bytes" for sign, bound in bounds if bound is not None)


def _in_brackets(filter_: UploadFilter) -> str:
    return f"({'; '.join(f'{name} {text}' for name, text in describe_filter(filter_).items())})"


def _describe_values(tested: Sequence[Condition]) -> str:
    return ", ".join(f"{condition.field}: {' or '.join(map(describe_test, condition.tests))}" for condition in tested)


def _describe_previous(test: ValueTest) -> str:
    if test.operator in ("missing", "exists"):
        return {"missing": "none: a new key", "exists": "there is one"}[test.operator]
    return f"{test.operator} {duration(timedelta(seconds=test.operand))} old"
