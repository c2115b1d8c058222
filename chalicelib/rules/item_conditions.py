"""Which changes of a table's items match a rule, and which fields a delivery stores and shows. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..domain.conditions import Condition, ItemFilter
from ..domain.payloads import ChangeType, Item
from .item_tests import MISSING, value_passes

EXPIRED = "expired"
CHANGE_TYPES = (*(change.value for change in ChangeType), EXPIRED)

MAX_CHANGED_FIELDS = 20  # that a delivery stores of a long item
MAX_VALUE_LENGTH = 200  # characters of each name and value of a long item

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")

# Which images a stream includes (Amazon DynamoDB API reference, "StreamSpecification", StreamViewType).
_IMAGES = {"KEYS_ONLY": (), "NEW_IMAGE": ("new",), "OLD_IMAGE": ("old",)}


def mismatch_reason(item_filter: ItemFilter, item: Item) -> str:
    """The first condition that a change fails, as text; "" if it matches."""
    return next((why for _, why in conditions(item_filter, item) if why), "")


def conditions(item_filter: ItemFilter, item: Item) -> Iterator[tuple[str, str]]:
    """Each condition by its name in the settings, and why a change fails it; "" if it passes."""
    change = EXPIRED if item.expired else item.did.value
    yield "table", "" if item.table == item_filter.table else f"wrong table: the rule is for {item_filter.table}"
    yield "did", "" if change in item_filter.did else f"item was {change}, not {' or '.join(item_filter.did)}"
    yield "changed", _why_unchanged(item_filter, item)
    for name, image_conditions, image in (("new", item_filter.new, item.new), ("old", item_filter.old, item.old)):
        for condition in image_conditions:
            passes = image and condition_met(condition, image)
            yield name, "" if passes else f"{condition.field} does not meet the rule's condition"


def condition_met(condition: Condition, image: Mapping[str, Any]) -> bool:
    """Whether an item's image meets a condition."""
    value = value_of(image, condition.field)
    return any(value_passes(test, value) for test in condition.tests)


def impossible_conditions(item_filter: ItemFilter, view: str) -> tuple[str, ...]:
    """The conditions that can never be met on a stream with this StreamViewType, by their names in the settings."""
    images = _IMAGES.get(view, ("new", "old"))
    needed_images = {"changed": ("new", "old"), "new": ("new",), "old": ("old",)}
    return tuple(name for name, needed in needed_images.items() if getattr(item_filter, name) and not set(needed) <= set(images))


def _why_unchanged(item_filter: ItemFilter, item: Item) -> str:
    if item.did is not ChangeType.UPDATED:
        return ""
    has_both_images = item.new and item.old
    if has_both_images and not item.changed:
        return "no field changed"
    if item_filter.changed and not has_both_images:
        return "the stream does not include what changed"
    if not item_filter.changed or any(_has_changed(item, field) for field in item_filter.changed):
        return ""
    return f"{' and '.join(item_filter.changed)} did not change"


def _has_changed(item: Item, field: str) -> bool:
    """Whether a field has a new value; a field in a map by its own value."""
    if field in item.changed:
        return True
    is_in_changed_map = field not in item.new and field not in item.old and field.partition(".")[0] in item.changed
    now, before = value_of(item.new, field), value_of(item.old, field)
    return is_in_changed_map and (type(now) is not type(before) or now != before)


def value_of(image: Mapping[str, Any], field: str) -> Any:
    """The value of a field, or MISSING. A name with dots that is not a field is a path into maps."""
    if field in image:
        return image[field]
    value: Any = image
    for step in field.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return MISSING
        value = value[step]
    return value


def named_fields(item_filter: ItemFilter) -> tuple[str, ...]:
    """Every field that a filter names."""
    counted = (name for count in item_filter.count for name in (*count.by, count.sum) if name)
    tested = (condition.field for condition in (*item_filter.new, *item_filter.old))
    return tuple(dict.fromkeys((*item_filter.changed, *item_filter.show, *tested, *title_fields(item_filter.title), *counted)))


def title_fields(title: str) -> list[str]:
    """The fields that a title names."""
    return _PLACEHOLDER.findall(title)


def fill_title(title: str, image: Mapping[str, Any]) -> str:
    """Replace the {fields} of a title by their values; "?" for a missing one."""

    def replacement(placeholder: re.Match[str]) -> str:
        value = value_of(image, placeholder[1])
        return "?" if value is MISSING else display_text(value)

    return _PLACEHOLDER.sub(replacement, title)


def display_text(value: Any) -> str:
    """A value as a message shows it; "none" for a missing one. Digits are not grouped: many numbers are identifiers."""
    if value is MISSING or value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else _json(value)


def trim_item(item: Item, fields: Sequence[str], max_length: int) -> Item:
    """The item as a delivery stores it.

    If its JSON, before and after, is longer than `max_length` characters, only its key, the first MAX_CHANGED_FIELDS changed
    fields and `fields` (those the rule names) are stored, with values cut to MAX_VALUE_LENGTH characters. So are the names of
    changed fields that the rule does not name. A field in a map is stored under its path.
    """
    if len(_json([item.new, item.old])) <= max_length:
        return item
    changed = {name: _truncate(name) for name in item.changed[:MAX_CHANGED_FIELDS]}
    names = {**changed, **{name: name for name in (*item.key, *fields)}}

    def trim(image: Mapping[str, Any]) -> dict[str, Any]:
        values = ((short_name, value_of(image, name)) for name, short_name in names.items())
        return {name: _truncate(value) for name, value in values if value is not MISSING}

    return replace(item, new=trim(item.new), old=trim(item.old), changed=tuple(names[name] for name in changed))


def line_of_item(item: Item, fields: Sequence[str], max_length: int) -> Item:
    """The item as a bundle stores it: if it is longer, only its key and `fields` as they are after the change, cut as above."""
    if len(_json([item.new, item.old])) <= max_length:
        return item
    values = ((name, value_of(item.new or item.old, name)) for name in (*item.key, *fields))
    image = {name: _truncate(value) for name, value in values if value is not MISSING}
    return replace(item, new=image if item.new else {}, old={} if item.new else image, changed=())


def _truncate(value: Any) -> Any:
    text = value if isinstance(value, str) else _json(value)
    return value if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def _json(value: Any) -> str:
    import json  # loaded only for items that are sent or counted

    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
