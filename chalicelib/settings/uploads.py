"""Reads the fields of a rule that is on uploads: which of them it wants."""

from collections.abc import Mapping
from typing import Any

from .. import globs
from ..events import Creation
from ..policy.bundle import FOLDER, By
from . import calm, values
from .model import DEFAULT_IGNORE, SizeRange
from .table import Table

FIELDS = ("bucket", "key", "size", "created", "empty", "ignore")


def read(table: Table) -> Mapping[str, Any]:
    """The fields of the Rule; what is wrong is written down in the table."""
    key, ignore = table.texts("key", ("**",)), table.texts("ignore", DEFAULT_IGNORE)
    for field, patterns in (("key", key), ("ignore", ignore)):
        try:
            globs.check(patterns)
        except globs.BadGlob as error:
            table.wrong(field, str(error))
    if not key:
        table.wrong("key", "it names nothing", 'leave it out for every key, or write such as "in/**"')
    size = table.attempt("size", SizeRange(), lambda: values.size_range(table.texts("size")))
    empty = table.choice("empty", "ignore", ("ignore", "notify", "warn"))
    if size.most == 0 and empty == "ignore":
        table.wrong("size", "this rule wants empty files and ignores them", 'add empty = "notify"')
    return {
        "bucket": table.text("bucket", "", values.bucket, needed=True),
        "key": key,
        "size": size,
        "created": _created(table),
        "empty": empty,
        "ignore": ignore,
        "then": table.parsed("then", None, calm.then),
        "by": table.parsed("by", FOLDER if table.has("complete") else By(), calm.by),
        "complete": calm.complete(table),
    }


def _created(table: Table) -> tuple[Creation, ...]:
    kinds = tuple(kind.value for kind in Creation)
    words = table.texts("created", kinds)
    for word in words:
        if word not in kinds:
            table.wrong("created", f"{word!r} is no kind of creation", values.nearest(word, kinds))
    return tuple(Creation(word) for word in words if word in kinds)
