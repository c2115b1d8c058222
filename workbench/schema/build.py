"""Builds the JSON Schema (draft 7) of dropnote.toml from what the readers ask for, with the texts of docs/settings.md.

A schema cannot say everything that the readers check: it knows names, types, choices and ranges, not whether a glob is valid.
`${NAME}` is allowed wherever the readers fill in variables. Sources: JSON Schema draft 7, "Validation"; Taplo's documentation,
"Directives" (`#:schema`, a path relative to the file).
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chalicelib.domain.event import Creation
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import DIMENSIONS, SettingsError
from chalicelib.platform.fields import values
from chalicelib.platform.fields.countries import COUNTRIES
from chalicelib.rendering.templates import template_names
from chalicelib.rules.item_conditions import CHANGE_TYPES
from chalicelib.settings.document import TABLES
from chalicelib.settings.kinds.bus_rules import EVENTS
from chalicelib.settings.reader import read_document

from ..paths import PROJECT
from .descriptions import descriptions
from .probes import PROBES
from .recorder import TABLE, Field, Place, PlaceId, Recorder, Schema, recording
from .shapes import UNKNOWN_FIELD, any_of, choice, list_of, matching, with_pattern

FILE_NAME = "dropnote.schema.json"
FILE = PROJECT / "docs" / FILE_NAME
DRAFT = "http://json-schema.org/draft-07/schema#"

# Lists whose tables allow different fields: the field that decides, and its default
DISCRIMINATORS: Mapping[str, tuple[str, str]] = {"rules": ("on", "upload"), "monitors": ("kind", "")}

_TEST: Schema = {"type": ["string", "number", "boolean"]}
_TESTS: Schema = {"anyOf": [_TEST, {"type": "array", "items": _TEST, "minItems": 1}]}
_VALUES: Schema = {
    "type": "object",
    "additionalProperties": {"anyOf": [_TESTS["anyOf"][0], _TESTS["anyOf"][1], {"type": "object"}]},
}

# Fields that a reader takes as they are in the file, by the last name of the table's path
RAW: Mapping[tuple[str, str], Schema] = {
    ("rules", "pattern"): {"type": "object"},
    ("rules", "new"): _VALUES,
    ("rules", "old"): _VALUES,
    ("rules", "metadata"): _VALUES,
    ("rules", "tags"): _VALUES,
    ("monitors", "status"): {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": ["integer", "string"]}}]},
}
# Fields whose texts the readers compare with a list
ENUMS: Mapping[tuple[str, str], Iterable[str]] = {
    ("rules", "created"): tuple(Creation),
    ("rules", "did"): CHANGE_TYPES,
    ("rules", "event"): EVENTS,
    ("analytics", "by"): DIMENSIONS,
    ("sms", "countries"): COUNTRIES,
}
# Parsers whose format is a regular expression
PATTERNS: Mapping[Callable[[str], Any], str] = {
    values.parse_duration: r"\s*\d+\s*[smhd]\s*",
    values.phone_number: r"\+[1-9]\d{6,14}",
    values.email_address: r"[^@\s]+@[^@\s]+",
    values.url: r"https?://.+",
}
_RECIPIENT = rf"(?:{'|'.join(channel.value for channel in Channel)}):.+"


def record() -> Recorder:
    """Let the readers read the probes."""
    recorder = Recorder()
    for probe in PROBES:
        try:
            read_document(recording(recorder)(tomllib.loads(probe), {}), template_names())
        except SettingsError:
            continue  # probes are not valid settings
    return recorder


def unreached(recorder: Recorder) -> list[str]:
    """Tables and fields that the readers know and no probe reached."""
    missing = [f"[{table}]" for table in TABLES if table not in recorder.roots]
    for place in recorder.places.values():
        missing += [f"{'.'.join(place.path)}: {name}" for name in place.known if not _is_known(place, name)]
    return missing


def _is_known(place: Place, name: str) -> bool:
    return bool(name in place.fields and place.fields[name].types) or (place.path[0], name) in RAW


def build() -> Schema:
    """The schema."""
    recorder = record()
    return _Builder(recorder, descriptions()).schema()


def text() -> str:
    """The schema as its file has it."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


class _Builder:
    """Turns places into definitions."""

    def __init__(self, recorder: Recorder, descriptions: Mapping[tuple[str, str], str]) -> None:
        self._recorder = recorder
        self._descriptions = descriptions
        self._names: dict[PlaceId, str] = {}
        for id_, place in recorder.places.items():
            name = "_".join(step for step in place.path if step != "*")
            if variant := self._variant(id_):
                name += f"_{variant}"
            self._names[id_] = name

    def schema(self) -> Schema:
        properties = {name: self._root(*self._recorder.roots[name]) for name in TABLES if name in self._recorder.roots}
        definitions = {self._names[id_]: self._definition(place) for id_, place in self._recorder.places.items()}
        return {
            "$schema": DRAFT,
            "title": "Dropnote settings",
            "description": "dropnote.toml; `dropnote check` also checks what a schema cannot",
            "type": "object",
            "required": ["bot"],
            "properties": properties,
            "additionalProperties": False,
            "definitions": dict(sorted(definitions.items())),
        }

    def _root(self, kind: str, id_: PlaceId) -> Schema:
        if kind == "table":
            return self._reference(id_)
        if kind == "map":
            return {"type": "object", "additionalProperties": self._reference(id_)}
        root = self._recorder.places[id_].path[0]
        variants = [other for other in self._recorder.variants if self._recorder.places[other].path[0] == root]
        return {"type": "array", "items": self._variants(variants) if len(variants) > 1 else self._reference(id_)}

    def _variants(self, ids: list[PlaceId]) -> Schema:
        """Tables of one list that allow different fields: all names for completion, then the ones of the table's own kind."""
        root = self._recorder.places[ids[0]].path[0]
        decides, default = DISCRIMINATORS[root]
        names = dict.fromkeys(name for id_ in ids for name in self._recorder.places[id_].known)
        branches = []
        for id_ in ids:
            variant = self._variant(id_)
            condition: Schema = {"properties": {decides: {"const": variant}}}
            if variant != default:
                condition["required"] = [decides]
            branches.append({"if": condition, "then": self._reference(id_)})
        hover = {name: self._hover(root, name) for name in names}
        hover[decides] = {"enum": [self._variant(id_) for id_ in ids], **hover[decides]}
        required = ["name", *([] if default else [decides])]
        return {"type": "object", "required": required, "properties": hover, "allOf": branches}

    def _variant(self, id_: PlaceId) -> str:
        example = self._recorder.variants.get(id_)
        place = self._recorder.places[id_]
        if example is None or place.path[0] not in DISCRIMINATORS:
            return ""
        decides, default = DISCRIMINATORS[place.path[0]]
        return str(example.get(decides, default))

    def _definition(self, place: Place) -> Schema:
        if not place.known:
            free = any_of([self._resolve(schema) for field in place.fields.values() for schema in field.types])
            return {"type": "object", "additionalProperties": free or True}
        known = {name: self._field(place, name, place.fields.get(name, Field())) for name in place.known}
        required = [
            name for name, field in place.fields.items() if field.missing and field.missing == place.tables - field.present
        ]
        return {
            "type": "object",
            **({"required": required} if required else {}),
            "properties": known,
            "additionalProperties": UNKNOWN_FIELD,
        }

    def _field(self, place: Place, name: str, field: Field) -> Schema:
        root = place.path[0]
        types = [self._resolve(schema) for schema in field.types]
        if (root, name) in RAW and (not types or name == "status"):
            types.append(RAW[root, name])
        if (root, name) in ENUMS:
            types = [list_of({"enum": sorted(ENUMS[root, name])})]
        elif name in ("notify", "on_error"):
            types = [list_of(matching(_RECIPIENT))]
        elif pattern := next((PATTERNS[parser] for parser in field.parsers if parser in PATTERNS), ""):
            types = [with_pattern(schema, pattern) for schema in types]
        default = {"default": field.default} if field.default is not None else {}
        return {**self._hover(root, name), **default, **any_of(types)}

    def _hover(self, root: str, name: str) -> Schema:
        description = self._descriptions.get((root, name), "")
        return {"description": description} if description else {}

    def _resolve(self, schema: Schema) -> Schema:
        """A recorded schema with references to definitions, and with variables beside choices."""
        if TABLE in schema:
            return self._reference(schema[TABLE])
        if "enum" in schema:
            return choice(schema)
        if "anyOf" in schema:
            return {"anyOf": [self._resolve(part) for part in schema["anyOf"]]}
        return {**schema, "items": self._resolve(schema["items"])} if "items" in schema else schema

    def _reference(self, id_: PlaceId) -> Schema:
        return {"$ref": f"#/definitions/{self._names[id_]}"}
