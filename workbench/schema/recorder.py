"""Records what the readers of the settings ask for: every table with its fields, and the type each field is read as.

A table is identified by the fields it allows, so a table within itself (`any` in `any`) is one; one with free names by its path.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from chalicelib.platform.fields.table import KeyPath, Table
from chalicelib.settings.document import Document

Schema = dict[str, Any]
PlaceId = tuple[str, ...]
TABLE = "table"  # the key of a reference to a place, in a recorded schema
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}


@dataclass
class Field:
    """A field: the types it is read as, its default, in how many tables it is set, and in how many it is missing but required."""

    types: list[Schema] = field(default_factory=list)
    default: Any = None
    present: int = 0
    missing: int = 0
    parsers: set[Callable[[str], Any]] = field(default_factory=set)


@dataclass
class Place:
    """A table: the fields it allows (none: free names), and those that were read. `path` has "*" for names and positions."""

    path: PlaceId
    known: tuple[str, ...]
    fields: dict[str, Field] = field(default_factory=dict)
    tables: int = 0  # so many were read


class Recorder:
    """Collects places while documents are read."""

    def __init__(self) -> None:
        self.places: dict[PlaceId, Place] = {}
        self.roots: dict[str, tuple[str, PlaceId]] = {}  # top-level name: "table", "map" or "list" of a place
        self.variants: dict[PlaceId, dict[str, Any]] = {}  # an example of each table of a list
        self._is_inside = False

    def place(self, path: KeyPath, known: tuple[str, ...]) -> PlaceId:
        """The identity of a table."""
        pattern = (str(path[0]), *("*" if isinstance(step, int) else step for step in path[1:]))
        id_ = known or pattern
        self.places.setdefault(id_, Place(pattern, known))
        return id_

    @contextmanager
    def note(self, place: PlaceId, name: str, schema: Schema, default: Any, required: bool, *parsers: Any) -> Iterator[None]:
        """Record that a field is read; what its reader reads itself belongs to it and is not recorded."""
        if self._is_inside:
            yield
            return
        known = self.places[place].fields.setdefault(name, Field())
        if schema and schema not in known.types:
            known.types.append(schema)
        known.missing += required
        known.parsers.update(parsers)
        if isinstance(default, str | int) and default not in ("", 0, False):
            known.default = default
        self._is_inside = True
        try:
            yield
        finally:
            self._is_inside = False


class RecordingTable(Table):
    """A table that reads like the real one, and records."""

    recorder: ClassVar[Recorder]

    def __init__(self, raw: object, where: str, findings: Any, environ: Any, known: tuple[str, ...], *more: Any) -> None:
        super().__init__(raw, where, findings, environ, known, *more)
        self._place = self.recorder.place(self._path, known)
        place = self.recorder.places[self._place]
        place.tables += 1
        for name in self._raw:
            place.fields.setdefault(name, Field()).present += 1

    def text(self, field: str, default: str = "", check: Callable[[str], str] = str, *, required: str = "") -> str:
        with self.recorder.note(self._place, field, _TEXT, default, bool(required) and not self.has(field), check):
            return super().text(field, default, check, required=required)

    def number(self, field: str, default: int, minimum: int, maximum: int) -> int:
        schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
        with self.recorder.note(self._place, field, schema, default, required=False):
            return super().number(field, default, minimum, maximum)

    def boolean(self, field: str, default: bool = False) -> bool:
        with self.recorder.note(self._place, field, {"type": "boolean"}, default, required=False):
            return super().boolean(field, default)

    def choice(self, field: str, default: Any, choices: tuple[str, ...]) -> Any:
        with self.recorder.note(self._place, field, {"enum": list(choices)}, default, required=False):
            return super().choice(field, default, choices)

    def texts(self, field: str, default: tuple[str, ...] = (), *, required: str = "") -> tuple[str, ...]:
        with self.recorder.note(self._place, field, _TEXTS, None, bool(required) and not self.has(field)):
            return super().texts(field, default, required=required)

    def parsed(self, field: str, default: Any, parse: Callable[[str], Any]) -> Any:
        with self.recorder.note(self._place, field, _TEXT, None, False, parse):
            return super().parsed(field, default, parse)

    def parsed_list(self, field: str, default: Any, parse: Callable[[str], Any]) -> Any:
        with self.recorder.note(self._place, field, _TEXTS, None, False, parse):
            return super().parsed_list(field, default, parse)

    def raw(self, field: str) -> Any:
        with self.recorder.note(self._place, field, {}, None, required=False):
            return super().raw(field)

    def inner(self, field: str, known: tuple[str, ...]) -> Table:
        reference = {TABLE: self.recorder.place((*self._path, field), known)}
        with self.recorder.note(self._place, field, reference, None, required=False):
            pass
        return super().inner(field, known)

    def inner_tables(self, field: str, known: tuple[str, ...]) -> tuple[Table, ...]:
        reference = {TABLE: self.recorder.place((*self._path, field), known)}
        schema = {"anyOf": [{"type": "array", "items": reference}, reference]}
        with self.recorder.note(self._place, field, schema, None, required=False):
            pass
        return super().inner_tables(field, known)


class RecordingDocument(Document):
    """A document that reads like the real one, and records."""

    recorder: ClassVar[Recorder]

    def sub_table(self, raw: object, where: str, path: KeyPath, known: tuple[str, ...]) -> Table:
        place = self.recorder.place((path[0], *("*" for _ in path[1:])), known)
        kind = "table" if len(path) == 1 else "list" if isinstance(path[1], int) else "map"
        self.recorder.roots.setdefault(str(path[0]), (kind, place))
        if kind == "list" and isinstance(raw, Mapping):
            self.recorder.variants.setdefault(place, dict(raw))
        return super().sub_table(raw, where, path, known)


def recording(recorder: Recorder) -> type[Document]:
    """The type of documents whose tables are recorded by a recorder."""
    table = type("Table", (RecordingTable,), {"recorder": recorder})
    return type("Document", (RecordingDocument,), {"recorder": recorder, "table_type": table})
