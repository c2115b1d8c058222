"""Which changes of an item a rule wants: conditions against an obvious model, and what of an item a message keeps and shows."""

import fnmatch
import operator
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from chalicelib.domain.conditions import Condition, ItemFilter
from chalicelib.domain.payloads import ChangeType, Item
from chalicelib.policy.counts import counts_of, parse_count
from chalicelib.rendering.item_phrases import describe_item
from chalicelib.rules.index import RuleIndex
from chalicelib.rules.item_conditions import (
    condition_holds,
    display_text,
    mismatch_reason,
    parse_tests,
    trimmed,
    unanswerable,
    value_of,
    value_passes,
)
from tests.sources.test_dynamodb_stream import event_of, record
from tests.support.builders import some_settings

PAID = {"id": "17", "status": "paid", "total": 120}
REFUSED = {**PAID, "status": "refused"}
NONE: Mapping[str, Any] = {}


def updated(new: dict[str, Any], old: dict[str, Any]) -> Item:
    changed = tuple(name for name in {**new, **old} if new.get(name, ()) != old.get(name, ()))
    return Item("orders", ChangeType.UPDATED, {"id": "17"}, new, old, changed)


def a_filter(new: Mapping[str, Any] = NONE, old: Mapping[str, Any] = NONE, **wanted: Any) -> ItemFilter:
    before, after = (tuple(Condition(name, parse_tests(raw)) for name, raw in asked.items()) for asked in (old, new))
    return ItemFilter("orders", new=after, old=before, **wanted)


def why_not(item: Item, **wanted: Any) -> str:
    return mismatch_reason(a_filter(**wanted), item)


# conditions


WORDS = some.text("abEU-7", min_size=1, max_size=4)
NUMBERS = some.integers(-50, 50) | some.floats(-50, 50).map(lambda value: round(value, 2))
COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def obviously(raw: Any, value: Any) -> bool:
    """What docs say of a condition, spelled out for texts, numbers, true and false; None stands for no such field."""
    if isinstance(raw, list):
        return any(obviously(each, value) for each in raw)
    if raw in ("exists", "missing"):
        return (value is None) is (raw == "missing")
    if isinstance(raw, str) and raw[0] in "<>":
        how, limit = raw.split()
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and bool(COMPARE[how](value, float(limit)))
    if isinstance(raw, str) and raw.startswith("!= "):
        return bool(value != raw[3:])
    if isinstance(raw, str) and raw.startswith("in "):
        return value in raw[3:].split(", ")
    if isinstance(raw, str) and raw.startswith("glob "):
        return isinstance(value, str) and fnmatch.fnmatchcase(value, raw[5:])
    return type(value) is type(raw) and bool(value == raw)


ONE = (
    WORDS.filter(lambda word: not word.lstrip("-").isdigit())
    | some.booleans()
    | some.integers(-50, 50)
    | some.sampled_from(["exists", "missing"])
    | some.builds(lambda how, limit: f"{how} {limit}", some.sampled_from(list(COMPARE)), some.integers(-50, 50))
    | some.sampled_from(["a", "E", "zz"]).map(lambda word: f"!= {word}")
    | some.lists(some.sampled_from(["a", "b", "EU"]), min_size=2, max_size=3).map(lambda words: f"in {', '.join(words)}")
    | some.sampled_from(["EU-*", "*b", "?", "*a*"]).map(lambda glob: f"glob {glob}")
)
VALUES = some.none() | some.booleans() | some.integers(-50, 50) | WORDS.filter(lambda word: not word.lstrip("-").isdigit())


@given(ONE | some.lists(ONE, min_size=1, max_size=3), VALUES)
def test_condition_holds_where_its_words_say_so(raw: Any, value: Any) -> None:
    image = {"id": "1"} | ({"field": value} if value is not None else {})
    assert condition_holds(Condition("field", parse_tests(raw)), image) is obviously(raw, value)


@given(some.dictionaries(some.sampled_from("abc"), ONE), some.dictionaries(some.sampled_from("abc"), ONE), some.data())
def test_rule_wants_a_change_of_which_all_conditions_hold(new: Any, old: Any, data: Any) -> None:
    images = [{"id": "17", **data.draw(some.dictionaries(some.sampled_from("abc"), VALUES.filter(bool)))} for _ in range(2)]
    item = updated(*images)
    assume(item.changed)
    held = [
        obviously(raw, image.get(name)) for wanted, image in zip((new, old), images, strict=True) for name, raw in wanted.items()
    ]
    assert (why_not(item, new=new, old=old) == "") is all(held)


@pytest.mark.parametrize("text", ["in transit", "in progress", "existing", "glob", "in"])
def test_words_that_look_like_a_condition_are_texts(text: str) -> None:
    assert [value_passes(test, text) for test in parse_tests(text)] == [True]


def test_not_may_stand_close_to_its_word() -> None:
    assert [value_passes(test, "paid") for test in parse_tests(["!=paid", "!= paid"])] == [False, False]


@pytest.mark.parametrize("raw", ["> yesterday", ">= 2026-01-01", "<", "= 5", "== paid", "=> 5", {"a": 1}, None])
def test_condition_that_could_never_hold_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_tests(raw)


def test_long_text_is_no_name_that_a_glob_looks_through() -> None:
    (test,) = parse_tests("glob *a*b*")
    assert value_passes(test, "a" * 1000 + "b")
    assert not value_passes(test, "a" * 400_000 + "b")  # within a second: its length counts to the power of the stars


# what really changed


def test_field_in_a_map_changes_by_itself() -> None:
    item = updated({"id": "1", "at": {"city": "Pune", "zip": 2}}, {"id": "1", "at": {"city": "Pune", "zip": 1}})
    assert why_not(item, changed=("at.city",)) == "at.city did not change"
    assert why_not(item, changed=("at.city", "at.zip")) == ""


@pytest.mark.parametrize(
    ("new", "old", "wanted"),
    [
        (REFUSED, {}, {"changed": ("status",)}),
        ({}, PAID, {"changed": ("status",)}),
        ({}, {}, {"changed": ("status",)}),
        ({}, PAID, {"new": {"note": "missing"}}),
        (REFUSED, {}, {"old": {"status": "!= refused"}}),
    ],
)
def test_what_the_stream_does_not_tell_never_holds(new: Any, old: Any, wanted: Any) -> None:
    item = Item("orders", ChangeType.UPDATED, {"id": "17"}, new, old)
    assert why_not(item, **wanted)
    assert not why_not(item)


@pytest.mark.parametrize(
    ("view", "wanted", "unanswered"),
    [
        ("NEW_AND_OLD_IMAGES", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ()),
        ("NEW_IMAGE", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ("changed", "old")),
        ("OLD_IMAGE", {"changed": ("status",), "new": {"a": 1}, "old": {"a": 1}}, ("changed", "new")),
        ("KEYS_ONLY", {"new": {"a": 1}}, ("new",)),
        ("KEYS_ONLY", {}, ()),
        ("", {"new": {"a": 1}}, ()),
    ],
)
def test_stream_says_by_its_view_which_conditions_it_leaves_open(view: str, wanted: Any, unanswered: Any) -> None:
    assert unanswerable(a_filter(**wanted), view) == unanswered


# what a delivery keeps


LONG = {"id": "17", "status": "open", "at": {"city": "Pune", "note": "x" * 5_000}, "total": 5, "note": "y" * 5_000, "z": 1}


def test_long_item_keeps_its_key_what_changed_and_what_is_named() -> None:
    kept = trimmed(updated(LONG, {**LONG, "status": "new"}), ("at.city", "note", "gone"), 4_000)
    assert set(kept.new) == {"id", "status", "at.city", "note"}
    assert (value_of(kept.new, "at.city"), len(kept.new["note"]), kept.old["status"]) == ("Pune", 200, "new")


@given(
    some.dictionaries(some.text(max_size=8), some.text(max_size=3_000) | some.lists(some.integers(), max_size=900), max_size=40)
)
def test_what_is_kept_is_bounded_and_once_cut_stays_as_it_is(fields: dict[str, Any]) -> None:
    item = updated({**fields, "id": "17"}, {"id": "17"})
    kept = trimmed(item, ("a", "b"), 4_000)
    assert len(str(dict(kept.new))) <= max(4_400, 23 * 450)
    assert value_of(kept.new, "id") == "17"


def test_names_of_fields_are_cut_too_unless_the_rule_says_them() -> None:
    long, said = "a" * 60_000, "b" * 300
    kept = trimmed(updated({"id": "17", long: 1, said: 2}, {"id": "17"}), (said,), 4_000)
    assert kept.changed == ("a" * 199 + "…", said)
    assert set(kept.new) == {"id", *kept.changed}


def test_long_item_is_counted_by_the_fields_of_its_counter() -> None:
    rules = (
        '\n[[rules]]\nname = "r"\non = "item"\ntable = "orders"\ncount = ["orders by at.city", "sum total of sales by status"]\n'
    )
    (match,) = RuleIndex(some_settings(rules).rules).match(event_of(record(LONG)))
    counted = [counts_of(match.event, parse_count(text)) for text in ("orders by at.city", "sum total of sales by status")]
    assert [(each.value, each.amount) for each in counted if each] == [("Pune", 1), ("open", 5)]


# what is said


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1234567"), (1.5, "1.5"), (True, "yes"), (None, "none"), ({"a": [1, True]}, '{"a": [1, true]}'), ("", "")],
)
def test_values_are_told_as_they_are(value: Any, text: str) -> None:
    assert display_text(value) == text


def rows(item: Item, name: str = "rows", **wanted: Any) -> list[tuple[str, str, str]]:
    found = describe_item(item, ItemFilter("orders", **wanted))[name]
    return [(row["name"], row["before"], row["value"]) for row in found]


def test_message_shows_what_the_rule_says_in_its_order() -> None:
    wanted: dict[str, Any] = {"show": ("total", "id", "status"), "title": "Order {id} is {status}"}
    assert rows(updated(REFUSED, PAID), **wanted) == [("total", "", "120"), ("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief", **wanted) == [("total", "", "120"), ("status", "paid", "refused")]


def test_key_and_what_changed_are_shown_unless_the_rule_says_otherwise() -> None:
    assert rows(updated(REFUSED, PAID)) == [("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief") == [("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief", title="Refused") == [("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated({**LONG, "z": 2}, LONG)) == [("id", "", "17"), ("z", "1", "2")]


def test_what_was_or_is_not_there_is_said() -> None:
    item = updated({"id": "17", "a": "x", "b": ""}, {"id": "17", "a": "", "c": 1})
    assert rows(item) == [("id", "", "17"), ("a", "empty", "x"), ("b", "none", "empty"), ("c", "1", "none")]


def test_value_that_the_stream_does_not_tell_is_not_taken_from_before() -> None:
    item = Item("orders", ChangeType.UPDATED, {"id": "17"}, {}, PAID)
    assert rows(item, show=("status",)) == [("status", "paid", "not told")]
    assert describe_item(item, ItemFilter("orders", title="Order {id} is {status}"))["title"] == "Order 17 is ?"
    assert rows(Item("orders", ChangeType.DELETED, {"id": "17"}, {}, PAID), show=("status",)) == [("status", "", "paid")]
