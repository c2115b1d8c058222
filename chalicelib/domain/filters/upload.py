"""The further conditions of a rule on uploads, and the facts about an object that they need. rules/upload_filter.py applies them.

Source: Amazon S3 API reference, "HeadObject", "GetObjectTagging" and "ListObjectVersions".
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import chain

from msgspec import Struct

from ..conditions import Condition, ValueTest
from ..event import Creation, Upload
from ..rule import SizeRange


class Fact(StrEnum):
    """What an upload's event does not contain, and one request to S3 returns."""

    HEAD = "head"  # content type and metadata
    TAGS = "tags"
    PREVIOUS = "previous"  # the version that the upload replaced


class Head(Struct, frozen=True):
    """An object's content type and user-defined metadata. Names are in lower case, as S3 stores them."""

    content_type: str = ""
    metadata: Mapping[str, str] = {}


class Tags(Struct, frozen=True):
    """An object's tags."""

    tags: Mapping[str, str] = {}


class Previous(Struct, frozen=True):
    """The version that an upload replaced: when it was created; None if there was none."""

    at: datetime | None = None


class Unread(Struct, frozen=True):
    """A fact that cannot be read. The conditions that need it are neither met nor failed."""

    why: str  # "object deleted since"
    denied: bool = False  # a permission is missing, which the owner can fix


FactValue = Head | Tags | Previous | Unread
Facts = Mapping[Fact, FactValue]
ReadFact = Callable[[Upload, Fact], FactValue]


class UploadFilter(Struct, frozen=True):
    """Conditions on an upload, all of which must be met. An empty field is no condition."""

    key: tuple[str, ...] = ()
    size: SizeRange | None = None
    created: tuple[Creation, ...] = ()
    uploader: tuple[str, ...] = ()  # globs
    content_type: tuple[str, ...] = ()  # globs
    metadata: tuple[Condition, ...] = ()
    tags: tuple[Condition, ...] = ()
    previous: tuple[ValueTest, ...] = ()  # of the replaced version's age in seconds; one must pass
    any: "tuple[UploadFilter, ...]" = ()
    all: "tuple[UploadFilter, ...]" = ()
    none: "tuple[UploadFilter, ...]" = ()  # `not` in the settings: none of them may match

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts that it may need."""
        needed = {
            Fact.HEAD: bool(self.content_type or self.metadata),
            Fact.TAGS: bool(self.tags),
            Fact.PREVIOUS: bool(self.previous),
        }
        own = frozenset(fact for fact, is_needed in needed.items() if is_needed)
        return own.union(*(inner.facts for inner in chain(self.any, self.all, self.none)))
