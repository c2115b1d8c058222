"""Reads the fields of a rule that is on uploads: which of them it wants."""

from collections.abc import Mapping
from typing import Any

from ..domain.bundle import FOLDER, By
from ..domain.event import Creation
from ..domain.rule import DEFAULT_IGNORE, SizeRange, size_range
from ..platform.fields import values
from ..platform.fields.table import Table
from ..platform.phrases import did_you_mean
from ..rules import globs
from . import policy_fields

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
    size = table.attempt("size", SizeRange(), lambda: size_range(table.texts("size")))
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
        "then": table.parsed("then", None, policy_fields.then),
        "by": table.parsed("by", FOLDER if table.has("complete") else By(), policy_fields.by),
        "complete": policy_fields.complete(table),
    }


def _created(table: Table) -> tuple[Creation, ...]:
    kinds = tuple(kind.value for kind in Creation)
    words = table.texts("created", kinds)
    for word in words:
        if word not in kinds:
            table.wrong("created", f"{word!r} is no kind of creation", did_you_mean(word, kinds))
    return tuple(Creation(word) for word in words if word in kinds)
