"""Which changes of an item match a rule, and what of a long item is stored."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from chalicelib.domain.conditions import Condition, ItemFilter
from chalicelib.domain.payloads import ChangeType, Item
from chalicelib.policy.counts import count_of_item, parse_count
from chalicelib.rules.index import RuleIndex, mismatch_reason
from chalicelib.rules.item_conditions import (
    display_text,
    fill_title,
    impossible_conditions,
    trim_item,
    value_of,
)
from chalicelib.rules.item_conditions import mismatch_reason as item_mismatch_reason
from chalicelib.rules.item_tests import parse_tests
from tests.rules.test_item_tests import RAW_TESTS, VALUES, obviously_passes
from tests.support.builders import an_upload, some_settings
from tests.support.stream_records import PAID, REFUSED, event_of, item_of, record

NONE: Mapping[str, Any] = {}


def updated(new: dict[str, Any], old: dict[str, Any]) -> Item:
    changed = tuple(name for name in {**new, **old} if new.get(name, ()) != old.get(name, ()))
    return Item("orders", ChangeType.UPDATED, {"id": "17"}, new, old, changed)


def a_filter(new: Mapping[str, Any] = NONE, old: Mapping[str, Any] = NONE, **fields: Any) -> ItemFilter:
    before, after = (tuple(Condition(name, parse_tests(raw)) for name, raw in image.items()) for image in (old, new))
    return ItemFilter("orders", new=after, old=before, **fields)


def why_not(item: Item, **fields: Any) -> str:
    return item_mismatch_reason(a_filter(**fields), item)


# matching


@pytest.mark.parametrize(
    ("change", "fields", "why"),
    [
        (record(REFUSED, PAID), {"changed": ("status",)}, ""),
        (record({**PAID, "total": 99}, PAID), {"changed": ("status",)}, "status did not change"),
        (record(PAID, PAID), {"changed": ("status",)}, "no field changed"),
        (record(PAID), {"changed": ("status",)}, ""),
        (record(None, PAID), {"changed": ("status",)}, "item was deleted, not created or updated"),
        (record(REFUSED, PAID), {"new": {"status": "paid"}}, "status does not meet the rule's condition"),
        (record(REFUSED, PAID), {"old": {"total": "> 500"}}, "total does not meet the rule's condition"),
    ],
)
def test_change_matches_or_says_why_not(change: dict[str, Any], fields: dict[str, Any], why: str) -> None:
    assert why_not(item_of(change), **fields) == why


def test_item_of_another_table_says_so() -> None:
    assert item_mismatch_reason(ItemFilter("carts"), item_of(record(PAID))) == "wrong table: the rule is for carts"


def test_event_that_is_not_about_an_item_says_so() -> None:
    rule = some_settings('\n[[rules]]\nname = "r"\non = "item"\ntable = "orders"\nnotify = "email:asha"\n').rules[1]
    assert mismatch_reason(rule, an_upload()) == "not an item of the table orders"


@given(
    some.dictionaries(some.sampled_from("abc"), RAW_TESTS), some.dictionaries(some.sampled_from("abc"), RAW_TESTS), some.data()
)
def test_change_matches_if_all_conditions_are_met(new: Any, old: Any, data: Any) -> None:
    images = [{"id": "17", **data.draw(some.dictionaries(some.sampled_from("abc"), VALUES.filter(bool)))} for _ in range(2)]
    item = updated(*images)
    assume(item.changed)
    met = [
        obviously_passes(raw, image.get(name))
        for conditions, image in zip((new, old), images, strict=True)
        for name, raw in conditions.items()
    ]
    assert (why_not(item, new=new, old=old) == "") is all(met)


def test_field_in_a_map_changes_by_its_own_value() -> None:
    item = updated({"id": "1", "at": {"city": "Pune", "zip": 2}}, {"id": "1", "at": {"city": "Pune", "zip": 1}})
    assert why_not(item, changed=("at.city",)) == "at.city did not change"
    assert why_not(item, changed=("at.city", "at.zip")) == ""


def test_path_leads_into_maps_and_a_field_with_a_dot_comes_first() -> None:
    assert value_of({"address": {"city": "Pune"}}, "address.city") == "Pune"
    assert value_of({"address.city": "Goa", "address": {"city": "Pune"}}, "address.city") == "Goa"


@pytest.mark.parametrize(
    ("new", "old", "fields"),
    [
        (REFUSED, {}, {"changed": ("status",)}),
        ({}, PAID, {"changed": ("status",)}),
        ({}, {}, {"changed": ("status",)}),
        ({}, PAID, {"new": {"note": "missing"}}),
        (REFUSED, {}, {"old": {"status": "!= refused"}}),
    ],
)
def test_condition_on_an_image_that_the_stream_lacks_is_never_met(new: Any, old: Any, fields: Any) -> None:
    item = Item("orders", ChangeType.UPDATED, {"id": "17"}, new, old)
    assert why_not(item, **fields)
    assert not why_not(item)


@pytest.mark.parametrize(
    ("view", "fields", "impossible"),
    [
        ("NEW_AND_OLD_IMAGES", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ()),
        ("NEW_IMAGE", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ("changed", "old")),
        ("OLD_IMAGE", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ("changed", "new")),
        ("KEYS_ONLY", {"new": {"a": 1}}, ("new",)),
        ("KEYS_ONLY", {}, ()),
        ("", {"new": {"a": 1}}, ()),
    ],
)
def test_view_of_a_stream_makes_conditions_impossible(view: str, fields: Any, impossible: Any) -> None:
    assert impossible_conditions(a_filter(**fields), view) == impossible


# storing


LONG = {"id": "17", "status": "open", "at": {"city": "Pune", "note": "x" * 5_000}, "total": 5, "note": "y" * 5_000, "z": 1}


def test_long_item_is_trimmed_to_its_key_changed_fields_and_named_fields() -> None:
    trimmed = trim_item(updated(LONG, {**LONG, "status": "new"}), ("at.city", "note", "gone"), 4_000)
    assert set(trimmed.new) == {"id", "status", "at.city", "note"}
    assert (value_of(trimmed.new, "at.city"), len(trimmed.new["note"]), trimmed.old["status"]) == ("Pune", 200, "new")


def test_long_values_of_named_fields_are_cut() -> None:
    long = {"id": "1", "status": "b", "note": "x" * 9_000, "other": "y" * 9_000}
    item = item_of(record(long, {**long, "status": "a"}))
    assert set(trim_item(item, ("note",), 4_000).new) == {"id", "status", "note"}
    assert len(trim_item(item, ("note",), 4_000).new["note"]) == 200
    assert trim_item(item, (), 10**6) is item


@given(
    some.dictionaries(some.text(max_size=8), some.text(max_size=3_000) | some.lists(some.integers(), max_size=900), max_size=40)
)
def test_trimmed_item_is_bounded_and_keeps_its_key(fields: dict[str, Any]) -> None:
    item = updated({**fields, "id": "17"}, {"id": "17"})
    trimmed = trim_item(item, ("a", "b"), 4_000)
    assert len(str(dict(trimmed.new))) <= max(4_400, 23 * 450)
    assert value_of(trimmed.new, "id") == "17"


def test_names_of_fields_are_cut_unless_the_rule_names_them() -> None:
    long, named = "a" * 60_000, "b" * 300
    trimmed = trim_item(updated({"id": "17", long: 1, named: 2}, {"id": "17"}), (named,), 4_000)
    assert trimmed.changed == ("a" * 199 + "…", named)
    assert set(trimmed.new) == {"id", *trimmed.changed}


def test_trimmed_item_is_counted_by_the_fields_of_its_counter() -> None:
    rules = (
        '\n[[rules]]\nname = "r"\non = "item"\ntable = "orders"\ncount = ["orders by at.city", "sum total of sales by status"]\n'
    )
    (match,) = RuleIndex(some_settings(rules).rules).match(event_of(record(LONG)))
    counts = [count_of_item(match.event, parse_count(text)) for text in ("orders by at.city", "sum total of sales by status")]
    assert [(count.value, count.amount) for count in counts if count] == [("Pune", 1), ("open", 5)]


# showing


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1234567"), (1.5, "1.5"), (True, "yes"), (None, "none"), ({"a": [1, True]}, '{"a": [1, true]}'), ("", "")],
)
def test_values_are_shown_as_text(value: Any, text: str) -> None:
    assert display_text(value) == text


def test_title_replaces_fields_and_nothing_else() -> None:
    assert fill_title("Order {id} of {who} is {status}: {0.__class__}", REFUSED) == "Order 17 of ? is refused: ?"
