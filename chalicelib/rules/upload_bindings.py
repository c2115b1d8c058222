"""Which keys of a bucket the rules need, so that S3 and EventBridge report only those. Pure.

Source: Amazon S3 user guide, "Configuring event notifications using object key name filtering" (overlaps; characters that must be
encoded).
"""

import re
from collections.abc import Iterable, Mapping
from os.path import commonprefix  # of characters, as S3's prefixes are: "in/a/" and "in/b/" share "in/"
from typing import Any

from msgspec import Struct

from ..domain.event import Kind
from ..domain.rule import Rule
from . import globs
from .event_patterns import OR, within_limits

# S3 expects other characters percent-encoded and a space as "+" in a filter. A filter that ends before the first of them is
# wider, and means the same whether S3 decodes it or not.
_PLAIN = r"[A-Za-z0-9/!_.'()-]*"


class KeyFilter(Struct, frozen=True):
    """The prefix and suffix of keys, as in a bucket's notification; "" is any."""

    prefix: str = ""
    suffix: str = ""

    def overlaps(self, other: "KeyFilter") -> bool:
        """Whether a key can match both. S3 rejects two such notifications for one event type."""
        return _starts_alike(self.prefix, other.prefix) and _starts_alike(self.suffix[::-1], other.suffix[::-1])

    def covers(self, other: "KeyFilter") -> bool:
        """Whether each key that matches the other one matches this one."""
        return other.prefix.startswith(self.prefix) and other.suffix.endswith(self.suffix)

    def __str__(self) -> str:
        """For people: `keys that start with "in/" and end with ".pdf"`."""
        parts = [f'start with "{self.prefix}"'] * bool(self.prefix) + [f'end with "{self.suffix}"'] * bool(self.suffix)
        return f"keys that {' and '.join(parts)}" if parts else "all keys"


def needed_filters(rules: Iterable[Rule], bucket: str) -> list[KeyFilter]:
    """The filters that together match every key of the bucket that a rule may match."""
    included = (
        glob for rule in rules if rule.on is Kind.UPLOAD and rule.bucket == bucket for glob in globs.including(rule.key) or ["**"]
    )
    return list(dict.fromkeys(_filter_of(glob) for glob in included))


def common_filter(rules: Iterable[Rule], bucket: str) -> KeyFilter:
    """The narrowest filter that matches every key of the bucket that a rule may match. S3 allows one per function."""
    filters = needed_filters(rules, bucket)
    suffixes = {keys.suffix for keys in filters}
    prefix = commonprefix([keys.prefix for keys in filters])  # noqa: RUF071
    return KeyFilter(prefix, suffixes.pop() if len(suffixes) == 1 else "")


def uploads_pattern(rules: Iterable[Rule], buckets: Iterable[str]) -> dict[str, Any] | None:
    """The event pattern of uploads to these buckets that a rule may match; None without buckets, because EventBridge rejects an
    empty list. If it is larger than EventBridge allows, it matches more events.
    """
    rules, prefixes = list(rules), dict[str, str]()
    for bucket in buckets:
        prefixes[bucket] = common_filter(rules, bucket).prefix
    if not prefixes:
        return None
    whole = [bucket for bucket, prefix in prefixes.items() if not prefix]
    narrowed = [_created([bucket], {"object": {"key": [{"prefix": prefix}]}}) for bucket, prefix in prefixes.items() if prefix]
    alternatives = ([_created(whole)] if whole else []) + narrowed
    exact = alternatives[0] if len(alternatives) == 1 else {OR: alternatives}
    candidates = (exact, _created(list(prefixes)))
    return next((pattern for pattern in candidates if within_limits(pattern)), _EVERY_BUCKET)


_EVERY_BUCKET: dict[str, Any] = {"source": ["aws.s3"], "detail-type": ["Object Created"]}


def _created(buckets: list[str], detail: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {**_EVERY_BUCKET, "detail": {"bucket": {"name": buckets}, **(detail or {})}}


def _filter_of(glob: str) -> KeyFilter:
    prefix, suffix = globs.literal_folder(glob), globs.literal_ending(glob)
    first = re.match(_PLAIN, prefix)
    last = re.search(rf"{_PLAIN}$", suffix)
    return KeyFilter(first[0] if first else "", last[0] if last else "")


def _starts_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
