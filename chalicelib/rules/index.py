"""Rules: which of them an event matches, found by index, so that 1,000 rules cost about what 10 do."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from ..domain.event import Event, Kind, Upload
from ..domain.rule import Rule
from . import globs

MOST_ITEM = 4_000  # letters of JSON that a delivery keeps of an item before and after


class Match(Struct, frozen=True):
    """A rule that wants to tell of an event, and the event with how much it matters to the rule."""

    rule: Rule
    event: Event


class RuleIndex:
    """The rules by bucket, by the folder their globs begin with and the file ending they end with.

    A key looks up its own folders and ending only; what it finds there is checked in full.
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
            wanted = [glob for glob in rule.key if not glob.startswith("!")] or ["**"]
            for place in {(rule.bucket, globs.literal_folder(glob), globs.literal_ending(glob)) for glob in wanted}:
                self._candidates[place].append((position, rule))

    def match(self, event: Event) -> list[Match]:
        """The matches of an event, in the order of the file."""
        if event.kind is Kind.BUS:
            return _matches_of_bus(self._on_bus, event)
        if event.item:
            return _matches_of_items(self._on_items.get(event.item.table, ()), event)
        if event.upload is None:
            return []
        found = {position: rule for place in _places(event.upload) for position, rule in self._candidates.get(place, ())}
        return [
            Match(found[position], found[position].judged(event))
            for position in sorted(found)
            if not mismatch_reason(found[position], event)
        ]


def mismatch_reason(rule: Rule, event: Event) -> str:
    """The first condition of a rule that an event does not fulfil, in words; "" when it matches."""
    if rule.on is Kind.BUS:
        return _why_not_of_bus(rule, event)
    if rule.item:
        from . import item_conditions  # uploads do not pay for it

        return (
            item_conditions.mismatch_reason(rule.item, event.item)
            if event.item
            else f"it is not about the table {rule.item.table}"
        )
    if event.upload is None:
        return f"it is not about the bucket {rule.bucket}"
    return next((why for _, why in conditions(rule, event.upload) if why), "")


def conditions(rule: Rule, upload: Upload) -> Iterator[tuple[str, str]]:
    """Each condition of a rule by its name in the settings, in the order they are looked at, and why an upload does not
    fulfil it; "" where it does.
    """
    yield "bucket", "" if upload.bucket == rule.bucket else f"it is not about the bucket {rule.bucket}"
    yield "folder", "it is a folder placeholder" if upload.key.endswith("/") and not upload.size else ""
    yield "key", "" if globs.matches(rule.key, upload.key) else f"the key matches none of {', '.join(rule.key)}"
    temporary = any(globs.compiled(glob).fullmatch(upload.key) for glob in rule.ignore)
    yield "ignore", "the key is a temporary name of a sync client or an editor" if temporary else ""
    yield "created", "" if upload.creation in rule.created else f"it came by {upload.creation}, not by {', '.join(rule.created)}"
    last = rule.complete is not None and rule.complete.is_marker(upload)  # says that a delivery is whole, however small it is
    yield "empty", "it is empty" if upload.size == 0 and rule.empty == "ignore" and not last else ""
    # a size that is not told: better one message too many than none
    within = upload.size is None or rule.size.holds(upload.size) or last
    yield "size", "" if within else f"{upload.size} bytes are outside of the size it asks for"


def _places(upload: Upload) -> Iterator[tuple[str, str, str]]:
    """Where in the index a rule for this upload can be: each of its folders, with its ending and without."""
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


def _matches_of_bus(rules: Iterable[Rule], event: Event) -> list[Match]:
    from ..sources.eventbridge import trimmed  # the way of an upload pays nothing for it

    found = [rule for rule in rules if not _why_not_of_bus(rule, event)]
    kept = trimmed(event) if found else event
    return [Match(rule, rule.judged(kept)) for rule in found]


def _why_not_of_bus(rule: Rule, event: Event) -> str:
    from ..sources.eventbridge import payload_of
    from .event_patterns import mismatch

    if event.bus is None or rule.bus is None:
        return "it is not about an event of the bus"
    field = mismatch(rule.bus.pattern, payload_of(event))
    return f"its {field} is not what the rule asks for" if field else ""


def _matches_of_items(rules: Iterable[Rule], event: Event) -> list[Match]:
    from .item_conditions import fields_of, mismatch_reason, trimmed  # uploads do not pay for it

    return [
        Match(rule, rule.judged(replace(event, item=trimmed(event.item, fields_of(rule.item), MOST_ITEM))))
        for rule in rules
        if event.item and rule.item and not mismatch_reason(rule.item, event.item)
    ]
