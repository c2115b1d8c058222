"""Reads the fields of a rule on uploads: which uploads match, and how they are bundled."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...domain.bundle import FOLDER, Grouping
from ...domain.event import Creation
from ...domain.rule import DEFAULT_IGNORE, SizeRange, size_range
from ...platform.fields import values
from ...platform.fields.table import Table
from ...platform.phrases import did_you_mean
from ...rules import globs
from .. import policy_fields

if TYPE_CHECKING:
    from ...domain.files.links import ObjectLink
    from ...domain.filters.upload import UploadFilter

FILTERS = ("content_type", "metadata", "tags", "uploader", "previous", "any", "all", "not")
FIELDS = ("bucket", "key", "size", "created", *FILTERS, "empty", "ignore", "link")


def read(table: Table) -> Mapping[str, Any]:
    """The arguments of Rule. Errors are added to the table."""
    key, ignore = table.texts("key", ("**",)), table.texts("ignore", DEFAULT_IGNORE)
    for field, patterns in (("key", key), ("ignore", ignore)):
        for position, pattern in enumerate(patterns):
            try:
                globs.check((pattern,))
            except globs.InvalidGlob as error:
                table.add_error(field, str(error), at=(position,))
    if not key:
        table.add_error("key", "empty", 'remove it to match every key, or use for example "in/**"')
    size = table.attempt("size", SizeRange(), lambda: size_range(table.texts("size")))
    empty = table.choice("empty", "ignore", ("ignore", "notify", "warn"))
    if size.max_bytes == 0 and empty == "ignore":
        table.add_error("size", "matches only empty files, and empty files are ignored", 'add empty = "notify"')
    return {
        "bucket": table.text("bucket", "", values.bucket, required='"${UPLOAD_BUCKET}"'),
        "key": key,
        "size": size,
        "created": created(table),
        "filter": _filter(table),
        "link": _link(table),
        "empty": empty,
        "ignore": ignore,
        **policy_fields.bundling(table),
        "by": table.parsed("by", FOLDER if table.has("complete") else Grouping(), policy_fields.by),
        "complete": policy_fields.complete(table),
    }


def _filter(table: Table) -> "UploadFilter | None":
    if not any(map(table.has, FILTERS)):
        return None
    from .upload_filter import read as read_filter  # imported late: few rules have these conditions

    return read_filter(table)


def _link(table: Table) -> "ObjectLink | None":
    if not table.has("link"):
        return None
    from ..links import read_object_link  # imported late, as above

    return read_object_link(table)


def created(table: Table) -> tuple[Creation, ...]:
    """How the uploads may be created. Errors are added to the table."""
    known = tuple(kind.value for kind in Creation)
    names = table.texts("created", known)
    for position, name in enumerate(names):
        if name not in known:
            table.add_error("created", f"unknown value {name!r}", did_you_mean(name, known), (position,))
    return tuple(Creation(name) for name in names if name in known)
