"""Reads the further conditions of a rule on uploads: content type, metadata, tags, uploader, replaced version, any, all, not."""

import re
from collections.abc import Callable

from ...domain.conditions import Condition, ValueTest
from ...domain.filters.upload import UploadFilter
from ...domain.rule import size_range
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from ...platform.phrases import did_you_mean
from ...rules import globs
from .item_rules import conditions
from .upload_rules import FILTERS, created

# IANA, "Media Types" (its top-level types); "binary" is S3's default, binary/octet-stream
_MAJOR_TYPES = (
    *("application", "audio", "binary", "chemical", "example", "font", "haptics", "image", "message", "model", "multipart"),
    *("text", "video", "*"),
)
_INNER = ("key", "size", "created", *FILTERS)
_MAX_DEPTH = 4
_MEDIA_TYPE = re.compile(r"[a-z0-9*?{}\[\],!.+_-]+/[a-z0-9*?{}\[\],!.+_-]+")
_AGE = re.compile(r"(>=|<=|>|<)\s*(.+)")
_AGE_HINT = 'use "none" (only new keys), "exists" (only replaced ones), or an age such as "> 7d" or "< 1h"'
_UPLOADER_HINT = 'use for example "AWS:AROAEXAMPLE:*" (S3\'s principal id) or, by EventBridge, an account such as "123456789012"'
_CONTENT_TYPE_HINT = 'use for example "application/pdf" or "image/*"'


def read(table: Table, depth: int = 0) -> UploadFilter:
    """The conditions of a rule's table, or of a table within `any`, `all` or `not`. Errors are added to the table."""
    return UploadFilter(
        uploader=_globs(table, "uploader", _check_uploader),
        content_type=_globs(table, "content_type", _check_content_type),
        metadata=_metadata(table),
        tags=_named_values(table, "tags"),
        previous=table.parsed_list("previous", (), _previous),
        any=_inner(table, "any", depth),
        all=_inner(table, "all", depth),
        none=_inner(table, "not", depth),
    )


def _inner(table: Table, field: str, depth: int) -> tuple[UploadFilter, ...]:
    if not table.has(field):
        return ()
    if depth >= _MAX_DEPTH:
        table.add_error(field, "nested too deeply", f"use at most {_MAX_DEPTH} levels of any, all and not, or two rules")
        return ()
    tables = table.inner_tables(field, _INNER)
    if table.raw(field) == []:
        table.add_error(field, "empty", f'use for example {field} = [{{ content_type = "application/pdf" }}]')
    return tuple(_read_inner(inner, depth + 1) for inner in tables)


def _read_inner(table: Table, depth: int) -> UploadFilter:
    if not any(map(table.has, _INNER)):
        table.add_error("", "has no condition", f"use one of: {', '.join(_INNER)}")
    further = read(table, depth)
    return UploadFilter(
        key=_globs(table, "key", lambda _: None),
        size=table.attempt("size", None, lambda: size_range(table.texts("size"))) if table.has("size") else None,
        created=created(table) if table.has("created") else (),
        uploader=further.uploader,
        content_type=further.content_type,
        metadata=further.metadata,
        tags=further.tags,
        previous=further.previous,
        any=further.any,
        all=further.all,
        none=further.none,
    )


def _globs(table: Table, field: str, check: Callable[[str], None]) -> tuple[str, ...]:
    patterns = table.texts(field)
    for position, pattern in enumerate(patterns):
        try:
            check(pattern)
            globs.check((pattern,))
        except globs.InvalidGlob as error:
            table.add_error(field, str(error), at=(position,))
        except FieldError as error:
            table.add_error(field, error.problem, error.hint, (position,))
    if table.raw(field) == []:
        table.add_error(field, "empty", "remove it to match all")
    return patterns


def _check_uploader(text: str) -> None:
    if not text.removeprefix("!").strip():
        raise FieldError("empty", _UPLOADER_HINT)


def _check_content_type(text: str) -> None:
    pattern = text.removeprefix("!")
    if ";" in text:
        raise FieldError(
            f"{text!r} has parameters", f"remove the part from ';': parameters are not compared; {_CONTENT_TYPE_HINT}"
        )
    if not _MEDIA_TYPE.fullmatch(pattern):
        hint = "write it in lower case" if _MEDIA_TYPE.fullmatch(pattern.lower()) else _CONTENT_TYPE_HINT
        raise FieldError(f"invalid content type {text!r}", hint)
    major = pattern.partition("/")[0]
    if re.fullmatch(r"[a-z-]+", major) and major not in _MAJOR_TYPES and not major.startswith("x-"):
        raise FieldError(f"unknown content type {text!r}", did_you_mean(major, _MAJOR_TYPES))


def _metadata(table: Table) -> tuple[Condition, ...]:
    """S3 stores names in lower case, so they are compared in lower case."""
    found = _named_values(table, "metadata")
    for condition in found:
        if condition.field.lower().startswith("x-amz-meta-"):
            name = condition.field.lower().removeprefix("x-amz-meta-")
            table.add_error("metadata", f"{condition.field!r} has a prefix", f"write {name}", (condition.field,))
    return tuple(Condition(condition.field.lower(), condition.tests) for condition in found)


def _named_values(table: Table, field: str) -> tuple[Condition, ...]:
    found = conditions(table, field)
    if table.raw(field) == {}:
        table.add_error(field, "empty", f'use for example {field} = {{ class = "confidential" }}')
    return found


def _previous(text: str) -> ValueTest:
    if text == "none":
        return ValueTest("missing")
    if text == "exists":
        return ValueTest("exists")
    match = _AGE.fullmatch(text)
    if not match:
        raise FieldError(f"invalid value {text!r}", f"{_near(text)}{_AGE_HINT}")
    return ValueTest(match[1], values.parse_duration(match[2]).total_seconds())


def _near(text: str) -> str:
    hint = did_you_mean(text, ("none", "exists"))
    return f"{hint} " if hint.startswith("did") else ""
