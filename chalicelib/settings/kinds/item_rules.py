"""Reads the fields of a rule on a table's items: which changes match, what a message shows, and which counters count."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...domain.conditions import Condition, ItemFilter
from ...platform.fields import values
from ...platform.fields.table import Table
from ...platform.fields.values import field_parser
from ...platform.phrases import did_you_mean
from ...policy.counts import parse_count
from ...rules.item_conditions import CHANGE_TYPES
from ...rules.item_tests import parse_tests
from .. import policy_fields

_TESTS = 'use for example "paid", 5, "> 100", "!= paid", "exists", "in a, b", "glob EU-*", or a list of these'


def read(table: Table) -> Mapping[str, Any]:
    """The arguments of Rule. Errors are added to the table."""
    did = table.texts("did", ("created", "updated"))
    for position, change in enumerate(did):
        if change not in CHANGE_TYPES:
            table.add_error("did", f"unknown change {change!r}", did_you_mean(change, CHANGE_TYPES), (position,))
    if not did:
        table.add_error("did", "empty", "remove it to match created and updated items")
    changed = table.texts("changed")
    if changed and "updated" not in did:
        table.add_error("changed", "works only with updated items", 'add "updated" to did, or remove changed')
    old = conditions(table, "old")
    if old and not {"updated", "deleted", "expired"} & set(did):
        table.add_error("old", "a created item has no old values", 'add "updated" or "deleted" to did, or remove old')
    new = conditions(table, "new")
    if new and not {"created", "updated"} & set(did):
        table.add_error("new", "a deleted item has no new values", 'add "created" or "updated" to did, or use old = {…}')
    item_filter = ItemFilter(
        table=table.text("table", "", values.dynamodb_table, required='"orders"'),
        did=did,
        changed=changed,
        new=new,
        old=old,
        show=table.texts("show"),
        title=table.text("title"),
        count=table.parsed_list(
            "count", (), field_parser(parse_count, 'use for example "orders by status" or "sum total of orders"')
        ),
    )
    bundling = policy_fields.bundling(table) if table.has("notify") else {}  # a rule that only counts sends nothing
    return {"item": item_filter, **bundling}


def _flatten(raw: Mapping[str, Any], keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value with its keys: address.city without quotes is a table within a table in TOML."""
    for name, value in raw.items():
        if isinstance(value, dict):
            yield from _flatten(value, (*keys, name))
        else:
            yield (*keys, name), value


def conditions(table: Table, field: str) -> tuple[Condition, ...]:
    """A table of names and the tests of their values."""
    raw = table.raw(field)
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        table.add_error(field, "must be a table", f'use for example {field} = {{ status = "paid" }}')
        return ()
    found = []
    for keys, value in _flatten(raw):
        try:
            found.append(Condition(".".join(keys), parse_tests(value)))
        except ValueError as error:
            table.add_error(field, str(error), _TESTS, keys)
    return tuple(found)
