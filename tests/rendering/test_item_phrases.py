"""What a message shows of a changed item: a title, and its fields with their new and old values."""

from typing import Any

from chalicelib.domain.conditions import ItemFilter
from chalicelib.domain.payloads import ChangeType, Item
from chalicelib.rendering.item_phrases import describe_item
from tests.rules.test_item_conditions import LONG, updated
from tests.support.stream_records import PAID, REFUSED


def rows(item: Item, name: str = "rows", **fields: Any) -> list[tuple[str, str, str]]:
    description = describe_item(item, ItemFilter("orders", **fields))
    return [(row["name"], row["before"], row["value"]) for row in description[name]]


def test_message_shows_the_fields_of_the_rule_in_its_order() -> None:
    fields: dict[str, Any] = {"show": ("total", "id", "status"), "title": "Order {id} is {status}"}
    assert rows(updated(REFUSED, PAID), **fields) == [("total", "", "120"), ("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief", **fields) == [("total", "", "120"), ("status", "paid", "refused")]


def test_message_shows_key_and_changed_fields_by_default() -> None:
    assert rows(updated(REFUSED, PAID)) == [("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief") == [("status", "paid", "refused")]
    assert rows(updated(REFUSED, PAID), "brief", title="Refused") == [("id", "", "17"), ("status", "paid", "refused")]
    assert rows(updated({**LONG, "z": 2}, LONG)) == [("id", "", "17"), ("z", "1", "2")]


def test_missing_and_empty_values_are_named() -> None:
    item = updated({"id": "17", "a": "x", "b": ""}, {"id": "17", "a": "", "c": 1})
    assert rows(item) == [("id", "", "17"), ("a", "empty", "x"), ("b", "none", "empty"), ("c", "1", "none")]


def test_value_that_the_stream_lacks_is_not_taken_from_before() -> None:
    item = Item("orders", ChangeType.UPDATED, {"id": "17"}, {}, PAID)
    assert rows(item, show=("status",)) == [("status", "paid", "unknown")]
    assert describe_item(item, ItemFilter("orders", title="Order {id} is {status}"))["title"] == "Order 17 is ?"
    assert rows(Item("orders", ChangeType.DELETED, {"id": "17"}, {}, PAID), show=("status",)) == [("status", "", "paid")]
