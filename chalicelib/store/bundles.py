"""Bundles in the ledger's table: windows, bundles and their members. Each step is one conditional write.

    lane#<id>                       one row: the window of the events that arrive now
    bundle#<id>                     one row per window or recipient with something to send; in the indexes `due` and `day`
    member#<series>#<hour>#<shard>  one row per member (members.py), by the event's identity

A member costs one write unit. An event that also changes its window is stored in one transaction with it (4 write units): the
window counts exactly, however many containers receive a burst, and a redelivered event changes nothing. The bundle's row lists
the hours (of the events' own time) that have members.
Source: Amazon DynamoDB developer guide, "Amazon DynamoDB Transactions: How it works"; API reference, "TransactWriteItems".
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, Position, Window
from ..platform.clock import to_ms
from .ledger import IF_ABSENT, conflicting_item, raise_unless_condition_failed
from .members import (
    Member,
    event_of_row,
    if_window_is,
    lane_to_item,
    member_from_item,
    member_key,
    member_of_row,
    member_to_item,
    window_from_item,
)
from .rows import SHARDS, bundle_from_item, bundle_to_item, key_of, update_of
from .rows.versions import Item, UnreadableRow, log_unreadable

_PAGE = 500  # rows: a page of 1 MB takes 5 MB of memory while it is parsed


class WindowChange(Struct, frozen=True):
    """A change of a lane's window."""

    lane: str
    old: Window | None  # the window it is based on; None if it is not known, and then there must be none that matters at `now`
    new: Window
    forgotten_at: datetime  # from then on, `new` no longer matters
    now: datetime
    opens: Bundle | None = None  # the bundle of `new`, if it accepts the first member with this change


class Admission(Struct, frozen=True):
    """What the table has after an attempt to admit an event."""

    member: Member | None  # the event's: the new one, or an earlier one if the event is not new; None if nothing is stored
    window: Window | None  # the lane's, if it is known


class Bundles:
    """The bundles of one table. `client` is a DynamoDB client. Its errors propagate: AWS sends the event again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def window(self, lane: str) -> Window | None:
        """Return the newest window of a lane; None before its first."""
        item = self._get(key_of("lane", lane))
        return window_from_item(item) if item else None

    def replace_window(self, lane: str, old: Window | None, new: Window) -> bool:
        """Replace a lane's window; False if another writer was faster."""
        condition = if_window_is(old) if old else {"ConditionExpression": IF_ABSENT}
        try:
            self._client.put_item(TableName=self._table, Item=lane_to_item(lane, new), **condition)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def admit(self, change: WindowChange, series: str, member: Member) -> Admission:
        """Change a lane's window and store a member, in one transaction; a window that opens gets its bundle in it too.

        If the event is not new, or another writer has changed the window, nothing is stored.

        Raises:
            UnreadableRow: a later version wrote the window. Nothing was stored.
        """
        lane = lane_to_item(change.lane, change.new) | {"forgotten_at": {"N": str(to_ms(change.forgotten_at) + 1)}}
        if change.old:
            condition = if_window_is(change.old)
        else:  # not known: usually there is none, or one that no longer matters
            now = {":now": {"N": str(to_ms(change.now))}}
            condition = {"ConditionExpression": f"{IF_ABSENT} OR forgotten_at <= :now", "ExpressionAttributeValues": now}
        options = {"TableName": self._table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        actions: list[dict[str, Any]] = [
            {"Put": {"Item": lane, **options, **condition}},
            {"Put": {"Item": member_to_item(series, member), **options, "ConditionExpression": IF_ABSENT}},
        ]
        if change.opens:
            actions.append({"Update": {"TableName": self._table, **_create_unless_exists(bundle_to_item(change.opens))}})
        try:
            self._client.transact_write_items(TransactItems=actions)
        except ClientError as error:
            response: Any = error.response
            reasons = response.get("CancellationReasons", ())
            if not reasons:
                raise
            stored_window, stored_member = (reason.get("Item") for reason in reasons[:2])
            if stored_window or stored_member:
                return _admission(stored_member, stored_window)
            if {reason["Code"] for reason in reasons} <= {"None", "TransactionConflict"}:
                return Admission(None, self.window(change.lane))
            raise
        return Admission(member, change.new)

    def get(self, id_: str) -> Bundle | None:
        """Return the bundle of an id, or None."""
        item = self._get(key_of("bundle", id_))
        return bundle_from_item(item) if item else None

    def ensure(self, bundle: Bundle) -> Bundle:
        """Create a bundle unless it exists, and add its hours to the stored ones; returns the stored bundle."""
        try:
            stored = self.get(bundle.id)
        except UnreadableRow as error:  # its members wait for the version that wrote it
            log_unreadable(error)
            stored = replace(bundle, hours=frozenset())
        if stored is None:
            try:
                self._client.put_item(TableName=self._table, Item=bundle_to_item(bundle), ConditionExpression=IF_ABSENT)
            except ClientError as error:
                raise_unless_condition_failed(error)  # another writer created it
                stored = self.get(bundle.id)
            else:
                return bundle
        if stored is None or bundle.hours <= stored.hours:
            return stored or bundle
        self._client.update_item(
            TableName=self._table,
            Key=key_of("bundle", bundle.id),
            UpdateExpression="ADD #hours :hours",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#hours": "hours"},
            ExpressionAttributeValues={":hours": {"SS": sorted(bundle.hours)}},
        )
        return replace(stored, hours=stored.hours | bundle.hours)

    def update(self, old: Bundle, new: Bundle) -> bool:
        """Record that a bundle is sealed, sent, or due again later; False if another writer changed it.

        The hours are not written: other writers may add one at any time.
        """
        before, after = bundle_to_item(old), bundle_to_item(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value and name != "hours"}
        removed = [name for name in before if name not in after and name != "hours"]
        if not changed and not removed:
            return True
        update = update_of(changed, removed)
        update["ExpressionAttributeNames"]["#bundle"] = "bundle"
        update["ExpressionAttributeValues"][":old"] = before["bundle"]
        try:
            self._client.update_item(
                TableName=self._table, Key=key_of("bundle", old.id), ConditionExpression="#bundle = :old", **update
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def member(self, series: str, id_: str, hour: str) -> Member | None:
        """Return a member of a series by its id and its event's hour, or None."""
        item = self._get(member_key(series, id_, hour))
        return member_from_item(item) if item else None

    def add_member(self, series: str, member: Member) -> Member:
        """Store a member unless it is already stored; returns the stored one."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=member_to_item(series, member),
                ConditionExpression=IF_ABSENT,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return member_from_item(conflicting_item(error))
        return member

    def members(self, bundle: Bundle, after: Position | None = None) -> Iterator[Member]:
        """Yield a bundle's members in the order of their positions, optionally only those after a position.

        Reads only as far as the caller iterates. The id of these members is their event's identity.
        """
        for hour in sorted(bundle.hours):
            for shard in range(SHARDS):
                if after is None or (hour, shard) >= after[:2]:
                    last = after[2] if after and (hour, shard) == after[:2] else ""
                    yield from self._members(f"member#{bundle.series}#{hour}#{shard}", bundle.id, last)

    def _members(self, partition: str, bundle: str, after: str) -> Iterator[Member]:
        start = {"ExclusiveStartKey": {"pk": {"S": partition}, "sk": {"S": after}}} if after else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            FilterExpression="#bundle = :bundle",
            ProjectionExpression="#event, #rule, told, came_at",  # parsing more would take most of a flush's time
            ExpressionAttributeNames={"#bundle": "bundle", "#event": "event", "#rule": "rule"},
            ExpressionAttributeValues={":pk": {"S": partition}, ":bundle": {"S": bundle}},
            PaginationConfig={"PageSize": _PAGE},
            **start,
        )
        for page in pages:
            for item in page["Items"]:
                event = event_of_row(item)
                yield member_of_row(item, event, event.identity, bundle)

    def _get(self, key: Item) -> Item | None:
        response = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: Item | None = response.get("Item")
        return item


def _admission(stored_member: Item | None, stored_window: Item | None) -> Admission:
    """What is stored instead. For a known event, a window that a later version wrote does not matter."""
    member = member_from_item(stored_member) if stored_member else None
    try:
        return Admission(member, window_from_item(stored_window) if stored_window else None)
    except UnreadableRow:
        if member is None:
            raise
        return Admission(member, None)


def _create_unless_exists(item: Item) -> dict[str, Any]:
    """The arguments of an update that creates a bundle's row, or adds its hours to those of the row that exists."""
    key, hours = {name: item[name] for name in ("pk", "sk")}, item["hours"]
    values = {name: value for name, value in item.items() if name not in (*key, "hours")}
    return {
        "Key": key,
        "UpdateExpression": f"SET {', '.join(f'#{name} = if_not_exists(#{name}, :{name})' for name in values)} ADD #hours :hours",
        "ExpressionAttributeNames": {f"#{name}": name for name in (*values, "hours")},
        "ExpressionAttributeValues": {":hours": hours, **{f":{name}": value for name, value in values.items()}},
    }
