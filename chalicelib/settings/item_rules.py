"""Reads the fields of a rule that is on a table's items: which of their changes it wants."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..domain.conditions import Condition, ItemFilter
from ..platform.fields import values
from ..platform.fields.table import Table
from ..platform.fields.values import of_text
from ..platform.phrases import did_you_mean
from ..policy.counts import parse_count
from ..rules.item_conditions import CHANGE_TYPES, parse_tests

_TESTS = 'write "refused", 5, "> 100", "!= paid", "exists", "in a, b", "glob EU-*", or a list of them'


def read(table: Table) -> Mapping[str, Any]:
    """The fields of the Rule; what is wrong is written down in the table."""
    did = table.texts("did", ("created", "updated"))
    for word in did:
        if word not in CHANGE_TYPES:
            table.wrong("did", f"{word!r} is nothing that happens to an item", did_you_mean(word, CHANGE_TYPES))
    if not did:
        table.wrong("did", "it names nothing", "leave it out for created and updated")
    changed = table.texts("changed")
    if changed and "updated" not in did:
        table.wrong("changed", "only what is updated has changed", 'add "updated" to did, or leave changed out')
    old = _conditions(table, "old")
    if old and not {"updated", "deleted", "expired"} & set(did):
        table.wrong("old", "what is created was nothing before", 'add "updated" or "deleted" to did, or leave old out')
    new = _conditions(table, "new")
    if new and not {"created", "updated"} & set(did):
        table.wrong("new", "what is deleted is nothing afterwards", 'add "created" or "updated" to did, or write old = {…}')
    found = ItemFilter(
        table=table.text("table", "", values.dynamodb_table, needed=True),
        did=did,
        changed=changed,
        new=new,
        old=old,
        show=table.texts("show"),
        title=table.text("title"),
        count=table.each_parsed("count", (), of_text(parse_count, 'write "orders by status"')),
    )
    return {"item": found}


def _flat(raw: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Fields by their paths: address.city without quotes is a table in a table to TOML."""
    for name, wanted in raw.items():
        if isinstance(wanted, dict):
            yield from _flat(wanted, f"{path}{name}.")
        else:
            yield f"{path}{name}", wanted


def _conditions(table: Table, field: str) -> tuple[Condition, ...]:
    raw = table.raw(field)
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        table.wrong(field, "it is no table", f'write {field} = {{ status = "refused" }}')
        return ()
    found = []
    for name, wanted in _flat(raw):
        try:
            found.append(Condition(name, parse_tests(wanted)))
        except ValueError as error:
            table.wrong(f"{field}.{name}", str(error), _TESTS)
    return tuple(found)
