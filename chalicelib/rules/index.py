"""Finds the rules an event matches, with an index: 1,000 rules cost about the same as 10. Also says why a rule does not match."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ..domain.event import Event, Kind, Upload
from ..domain.rule import Rule
from . import globs

if TYPE_CHECKING:
    from ..domain.filters.upload import Fact, FactValue, ReadFact

MAX_ITEM_LENGTH = 4_000  # characters of JSON that a delivery stores of an item, before and after together


class Match(Struct, frozen=True):
    """A rule that matches an event, and the event with the severity the rule gives it."""

    rule: Rule
    event: Event
    denied: str = ""  # a condition could not be checked because a permission is missing

    @property
    def log_ids(self) -> dict[str, str]:
        """What connects the log lines of one rule and one event, before there is a notice."""
        return {"rule": self.rule.name, "event": self.event.identity}


class RuleIndex:
    """The rules by bucket, the folder their globs start with, and the extension they end with.

    A key is looked up by its own folders and extension only; each rule found there is then checked in full.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._candidates: defaultdict[tuple[str, str, str], list[tuple[int, Rule]]] = defaultdict(list)
        self._on_bus: list[Rule] = []
        self._on_items: defaultdict[str, list[Rule]] = defaultdict(list)
        for position, rule in enumerate(rules):
            if rule.on is Kind.BUS:
                self._on_bus.append(rule)
            if rule.item:
                self._on_items[rule.item.table].append(rule)
            if rule.on is not Kind.UPLOAD:
                continue
            included = globs.including(rule.key) or ["**"]
            for place in {(rule.bucket, globs.literal_folder(glob), globs.literal_ending(glob)) for glob in included}:
                self._candidates[place].append((position, rule))

    def match(self, event: Event, read: "ReadFact | None" = None) -> list[Match]:
        """The matches of an event, in file order. `read` reads a fact about the object: each at most once, and only if needed."""
        if event.kind is Kind.BUS:
            return _bus_matches(self._on_bus, event)
        if event.item:
            return _item_matches(self._on_items.get(event.item.table, ()), event)
        if event.upload is None:
            return []
        candidates = {position: rule for place in _places(event.upload) for position, rule in self._candidates.get(place, ())}
        facts: dict[Fact, FactValue] = {}  # shared by all rules
        matches = (
            _upload_match(rule, event, facts, read) for _, rule in sorted(candidates.items()) if not mismatch_reason(rule, event)
        )
        return [match for match in matches if match]


def mismatch_reason(rule: Rule, event: Event) -> str:
    """The first condition of a rule that an event does not meet, as text; "" if it matches."""
    if rule.on is Kind.BUS:
        return _bus_mismatch_reason(rule, event)
    if rule.item:
        from . import item_conditions  # uploads do not need it

        if event.item is None:
            return f"not an item of the table {rule.item.table}"
        return item_conditions.mismatch_reason(rule.item, event.item)
    if event.upload is None:
        return f"not an upload to the bucket {rule.bucket}"
    return next((why for _, why in conditions(rule, event.upload) if why), "")


def _upload_match(rule: Rule, event: Event, facts: "dict[Fact, FactValue]", read: "ReadFact | None") -> Match | None:
    """The match of a rule whose cheap conditions are met. If a further one stays unknown, it matches, and the message says so."""
    if rule.filter is None or (rule.complete and event.upload and rule.complete.is_marker(event.upload)):
        return Match(rule, rule.with_severity(event))
    from .upload_filter import decide  # most rules do not need it

    verdict = decide(rule.filter, event, facts, read)
    if verdict.value is False:
        return None
    if verdict.value is None:
        note = f"Not all conditions of the rule could be checked ({verdict.why})."
        event = replace(event, detail=f"{event.detail} {note}".strip())
    return Match(rule, rule.with_severity(event), verdict.why if verdict.denied else "")


def conditions(rule: Rule, upload: Upload) -> Iterator[tuple[str, str]]:
    """Each condition of a rule by its name in the settings, in checking order, and why an upload fails it; "" if it passes."""
    yield "bucket", "" if upload.bucket == rule.bucket else f"wrong bucket: the rule is for {rule.bucket}"
    yield "folder", "folder placeholder" if upload.key.endswith("/") and not upload.size else ""
    yield "key", "" if globs.matches(rule.key, upload.key) else _key_mismatch(rule.key, upload.key)
    is_temporary = globs.any_of(rule.ignore).fullmatch(upload.key)
    yield "ignore", "temporary name of a sync client or editor" if is_temporary else ""
    yield "created", "" if upload.creation in rule.created else f"created by {upload.creation}, not {' or '.join(rule.created)}"
    is_marker = rule.complete is not None and rule.complete.is_marker(upload)  # completes a batch, however small it is
    yield "empty", "file is empty" if upload.size == 0 and rule.empty == "ignore" and not is_marker else ""
    # an unknown size passes: better one message too many than none
    in_range = upload.size is None or rule.size.contains(upload.size) or is_marker
    yield "size", "" if in_range else f"size {upload.size:,} bytes is outside the rule's size"


def _key_mismatch(patterns: tuple[str, ...], key: str) -> str:
    """Why a key does not match, given that it does not."""
    excluding = next((glob for glob in patterns if glob.startswith("!") and globs.to_regex(glob[1:]).fullmatch(key)), "")
    if excluding and globs.matches(globs.including(patterns), key):
        return f"key is excluded by {excluding}"
    return f"key matches none of {', '.join(patterns)}"


def _places(upload: Upload) -> Iterator[tuple[str, str, str]]:
    """The places of the index that may have rules for an upload: each of its folders, with and without its extension."""
    name = upload.key.rpartition("/")[2]
    dot = name.rfind(".")
    endings = ("", name[dot:]) if dot >= 0 else ("",)
    end = 0
    while True:
        for ending in endings:
            yield upload.bucket, upload.key[:end], ending
        end = upload.key.find("/", end) + 1
        if not end:
            return


def _bus_matches(rules: Iterable[Rule], event: Event) -> list[Match]:
    from ..sources.eventbridge import trim_detail  # uploads do not need it

    matching = [rule for rule in rules if not _bus_mismatch_reason(rule, event)]
    trimmed = trim_detail(event) if matching else event
    return [Match(rule, rule.with_severity(trimmed)) for rule in matching]


def _bus_mismatch_reason(rule: Rule, event: Event) -> str:
    from ..sources.eventbridge import payload_of
    from .event_patterns import first_mismatch

    if event.bus is None or rule.bus is None:
        return "not an event of the event bus"
    field = first_mismatch(rule.bus.pattern, payload_of(event))
    return f"{field} does not match the rule's pattern" if field else ""


def _item_matches(rules: Iterable[Rule], event: Event) -> list[Match]:
    from .item_conditions import mismatch_reason, named_fields, trim_item  # uploads do not need it

    return [
        Match(rule, rule.with_severity(replace(event, item=trim_item(event.item, named_fields(rule.item), MAX_ITEM_LENGTH))))
        for rule in rules
        if event.item and rule.item and not mismatch_reason(rule.item, event.item)
    ]
