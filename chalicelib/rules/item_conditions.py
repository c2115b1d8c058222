"""Which changes of a table's items a rule wants: what happened, and conditions on the values before and after. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..domain.conditions import Condition, ItemFilter, ValueTest
from ..domain.payloads import ChangeType, Item
from . import globs

EXPIRED = "expired"
CHANGE_TYPES = (*(did.value for did in ChangeType), EXPIRED)

LONGEST_NAME = 1_024  # letters: a longer text is no name, and a glob would look through it for too long
MOST_CHANGED = 20  # fields that a delivery keeps of a long item because they changed
LONGEST_KEPT = 200  # letters of a value of such an item

_OPERATOR = re.compile(r"(>=|<=|!=|>|<|=)\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FIELD = re.compile(r"\{([^{}]+)\}")
_NOTHING: Any = object()  # the value of a missing field

# Which images a stream tells (Amazon DynamoDB API reference, "StreamSpecification", StreamViewType).
_IMAGES = {"KEYS_ONLY": (), "NEW_IMAGE": ("new",), "OLD_IMAGE": ("old",)}


def value_passes(test: ValueTest, value: Any) -> bool:
    """Whether a value, or _NOTHING for a missing field, passes a test."""
    if test.how in ("exists", "missing"):
        return (value is not _NOTHING) is (test.how == "exists")
    if value is _NOTHING:
        return test.how == "not"
    if test.how in ("is", "not"):
        return same(value, test.wanted) is (test.how == "is")
    if test.how == "in":
        return any(same(value, wanted) for wanted in test.wanted)
    if test.how == "glob":
        short = isinstance(value, str) and len(value) <= LONGEST_NAME
        return short and globs.compiled(test.wanted).fullmatch(value) is not None
    number = _number(value)
    return number is not None and _compare(number, test.how, test.wanted)


def condition_holds(condition: Condition, image: Mapping[str, Any]) -> bool:
    """Whether an item's image meets a condition."""
    value = value_of(image, condition.field)
    return any(value_passes(test, value) for test in condition.tests)


def conditions(item_filter: ItemFilter, item: Item) -> Iterator[tuple[str, str]]:
    """Each condition by its name in the settings, with why a change fails it; "" where it passes."""
    change = EXPIRED if item.expired else item.did.value
    yield "table", "" if item.table == item_filter.table else f"it is not of the table {item_filter.table}"
    yield "did", "" if change in item_filter.did else f"it was {change}, not {' or '.join(item_filter.did)}"
    yield "changed", _why_unchanged(item_filter, item)
    for name, wanted, image in (("new", item_filter.new, item.new), ("old", item_filter.old, item.old)):
        for condition in wanted:
            passes = image and condition_holds(condition, image)
            yield name, "" if passes else f"{condition.field} is not as the rule asks for"


def mismatch_reason(item_filter: ItemFilter, item: Item) -> str:
    """The first condition that a change fails, in words; "" when it matches."""
    return next((why for _, why in conditions(item_filter, item) if why), "")


def fields_of(item_filter: ItemFilter) -> tuple[str, ...]:
    """Every field that a filter names."""
    counted = (name for count in item_filter.count for name in (*count.by, count.sum) if name)
    tested = (condition.field for condition in (*item_filter.new, *item_filter.old))
    return tuple(dict.fromkeys((*item_filter.changed, *item_filter.show, *tested, *fields_in(item_filter.title), *counted)))


def unanswerable(item_filter: ItemFilter, view: str) -> tuple[str, ...]:
    """The conditions that never hold on a stream of this StreamViewType, by their names in the settings."""
    images = _IMAGES.get(view, ("new", "old"))
    needs = {"changed": ("new", "old"), "new": ("new",), "old": ("old",)}
    return tuple(name for name, needed in needs.items() if getattr(item_filter, name) and not set(needed) <= set(images))


def _why_unchanged(item_filter: ItemFilter, item: Item) -> str:
    if item.did is not ChangeType.UPDATED:
        return ""
    both = item.new and item.old
    if both and not item.changed:
        return "nothing of it changed"
    if item_filter.changed and not both:
        return "its stream does not tell what changed"
    if not item_filter.changed or any(_changed(item, field) for field in item_filter.changed):
        return ""
    return f"{' and '.join(item_filter.changed)} did not change"


def value_of(image: Mapping[str, Any], field: str) -> Any:
    """The value of a field; _NOTHING where there is none. A name with dots is a path where no field has it."""
    if field in image:
        return image[field]
    found: Any = image
    for step in field.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return _NOTHING
        found = found[step]
    return found


def _changed(item: Item, field: str) -> bool:
    """Whether a field is another than before; one in a map by its own value."""
    if field in item.changed:
        return True
    inside = field not in item.new and field not in item.old and field.partition(".")[0] in item.changed
    now, before = value_of(item.new, field), value_of(item.old, field)
    return inside and (type(now) is not type(before) or now != before)


def display_text(value: Any) -> str:
    """A value as a message has it; "none" where there is none. Numbers are not grouped: many are names."""
    if value is _NOTHING or value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else _json(value)


def fields_in(title: str) -> list[str]:
    """The fields that a title names."""
    return _FIELD.findall(title)


def fill_title(title: str, image: Mapping[str, Any]) -> str:
    """A title with its {fields} put in; "?" where there is none."""

    def put_in(found: re.Match[str]) -> str:
        value = value_of(image, found[1])
        return "?" if value is _NOTHING else display_text(value)

    return _FIELD.sub(put_in, title)


def parse_tests(raw: Any) -> tuple[ValueTest, ...]:
    """Read what a field is to be: a value, a text such as "> 100", or a list of them.

    Raises:
        ValueError: it is none of these, in one sentence.
    """
    if isinstance(raw, list):
        if not raw:
            raise ValueError("an empty list is fulfilled by nothing")
        return tuple(test for each in raw for test in parse_tests(each))
    if isinstance(raw, bool | int | float):
        return (ValueTest("is", raw),)
    if not isinstance(raw, str):
        raise ValueError("it is neither text, nor a number, nor true or false")  # noqa: TRY004  read from a file, not called
    return (_parsed(raw.strip()),)


def _parsed(text: str) -> ValueTest:
    word, _, rest = text.partition(" ")
    if text in ("exists", "missing"):
        return ValueTest(text)
    if found := _OPERATOR.fullmatch(text):
        return _compared(text, found[1], found[2])
    if word == "in" and "," in rest:  # "in transit" is a text
        return ValueTest("in", tuple(each.strip() for each in rest.split(",")))
    if word == "glob" and rest:
        glob = rest.strip().strip('"')
        try:
            globs.compiled(glob)
        except globs.BadGlob as error:
            raise ValueError(f"{glob!r}: {error}") from error
        return ValueTest("glob", glob)
    return ValueTest("is", text)


def _compared(text: str, how: str, limit: str) -> ValueTest:
    if how == "!=":
        return ValueTest("not", limit)
    if how == "=":
        raise ValueError(f"{text!r}: what it is to be stands there by itself")
    if not _NUMBER.fullmatch(limit):
        raise ValueError(f"{text!r} compares with no number")
    return ValueTest(how, float(limit))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same: 5 and 5.0 and "5" are, true and 1 are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (isinstance(one, str) != isinstance(other, str) and str(one).lower() == str(other).lower())
    if isinstance(one, int | float | str) and isinstance(other, int | float | str) and type(one) is not type(other):
        return _number(one) == _number(other) and _number(one) is not None
    return bool(one == other)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _compare(found: float, how: str, wanted: float) -> bool:
    if how.startswith(">"):
        return found >= wanted if how == ">=" else found > wanted
    return found <= wanted if how == "<=" else found < wanted


def trimmed(item: Item, fields: Sequence[str], most: int) -> Item:
    """The item as a delivery keeps it.

    One whose JSON, before and after, is longer than `most` letters is cut to its key, the first MOST_CHANGED fields that changed
    and those that the rule names, and each of their values to LONGEST_KEPT letters; so are names that nobody but the writer of
    the item chose. A field in a map is kept under its path.
    """
    if len(_json([item.new, item.old])) <= most:
        return item
    changed = {name: _short(name) for name in item.changed[:MOST_CHANGED]}
    names = {**changed, **{name: name for name in (*item.key, *fields)}}

    def cut(image: Mapping[str, Any]) -> dict[str, Any]:
        found = ((shown, value_of(image, name)) for name, shown in names.items())
        return {name: _short(value) for name, value in found if value is not _NOTHING}

    return replace(item, new=cut(item.new), old=cut(item.old), changed=tuple(names[name] for name in changed))


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else _json(value)
    return value if len(text) <= LONGEST_KEPT else f"{text[: LONGEST_KEPT - 1]}…"


def _json(value: Any) -> str:
    import json  # only what is told or counted pays for it

    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
