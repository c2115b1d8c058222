"""Bundles in the ledger's table: the windows, each bundle, and its members. One conditional write a step.

A member costs one write unit: it is in no index and below 1 KB. Where it is kept depends on nothing but the event, so an upload
that comes again finds itself; and on a shard, so no partition is hot. Its bundle's row says which hours of the events' own time
it has members from.

    lane#<id>                       one row: the window that takes uploads now
    bundle#<id>                     one row a window that has something to tell; due in index `due`, listed in index `day`
    member#<series>#<hour>#<shard>  a row a member, by the event's identity
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, Position, Window
from ..domain.event import Event, late_identity
from ..platform.clock import from_ms, to_ms
from .ledger import NEW, failed_condition, item_in_the_way
from .rows import RETENTION, SHARDS, Item, bundle_of_item, item_of_bundle, key_of, shard_of

_PAGE = 500  # rows: a page of a megabyte is five of memory while it is parsed
_TTL = int(RETENTION.total_seconds())
_EVENT = msgspec.json.Decoder(Event)


class Member(Struct, frozen=True):
    """One event of a bundle, or one that was told at once and is kept so that it is known when it comes again."""

    id: str  # 32 hex digits: the event's identity, or the delivery's that it would have been
    bundle: str  # the id of the bundle that tells of it
    event: Event
    rule: str = ""  # where a bundle has several
    told: bool = False  # at once: the bundle does not tell of it
    came_at: datetime | None = None  # when it came to us


class Bundles:
    """Bundles of one table. `client` is a DynamoDB client; its errors pass through: the caller's event comes again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def window(self, lane: str) -> Window | None:
        """The newest window of a lane; None before its first."""
        item = self._get(key_of("lane", lane))
        return msgspec.json.decode(item["window"]["S"], type=Window) if item else None

    def move_on(self, lane: str, old: Window | None, new: Window) -> bool:
        """Put a new window in the place of the one that was; False when somebody else has done something like it."""
        item = key_of("lane", lane) | {"window": {"S": _json(new)}, "ttl": {"N": str(to_ms(new.due) // 1000 + _TTL)}}
        condition: dict[str, Any] = {"ConditionExpression": NEW}
        if old:
            condition = {
                "ConditionExpression": "#window = :old",
                "ExpressionAttributeNames": {"#window": "window"},
                "ExpressionAttributeValues": {":old": {"S": _json(old)}},
            }
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            return failed_condition(error)
        return True

    def get(self, id_: str) -> Bundle | None:
        """The bundle of that id, or None."""
        item = self._get(key_of("bundle", id_))
        return bundle_of_item(item) if item else None

    def ensure(self, bundle: Bundle) -> Bundle:
        """The bundle as it is in the table, made if need be, and sure to be looked for in these hours."""
        there = self.get(bundle.id)
        if there is None:
            try:
                self._client.put_item(TableName=self._table, Item=item_of_bundle(bundle), ConditionExpression=NEW)
            except ClientError as error:
                failed_condition(error)  # somebody else made it
                there = self.get(bundle.id)
            else:
                return bundle
        if there is None or bundle.hours <= there.hours:
            return there or bundle
        self._client.update_item(
            TableName=self._table,
            Key=key_of("bundle", bundle.id),
            UpdateExpression="ADD #hours :hours",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#hours": "hours"},
            ExpressionAttributeValues={":hours": {"SS": sorted(bundle.hours)}},
        )
        return replace(there, hours=there.hours | bundle.hours)

    def change(self, old: Bundle, new: Bundle) -> bool:
        """Write down that a bundle is sealed, told, or looked at again later; False when somebody else changed it.

        Its hours are left alone: another one may be added at any time.
        """
        before, after = item_of_bundle(old), item_of_bundle(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value and name != "hours"}
        gone = [name for name in before if name not in after and name != "hours"]
        if not changed and not gone:
            return True
        changes = "SET " + ", ".join(f"#{name} = :{name}" for name in changed) if changed else ""
        changes += " REMOVE " + ", ".join(f"#{name}" for name in gone) if gone else ""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key_of("bundle", old.id),
                UpdateExpression=changes,
                ConditionExpression="#bundle = :was",
                ExpressionAttributeNames={f"#{name}": name for name in {*changed, *gone, "bundle"}},
                ExpressionAttributeValues={**{f":{name}": value for name, value in changed.items()}, ":was": before["bundle"]},
            )
        except ClientError as error:
            return failed_condition(error)
        return True

    def member(self, series: str, id_: str, hour: str) -> Member | None:
        """A member of a series by its id and its event's hour, or None."""
        item = self._get(_member_key(series, id_, hour))
        return _kept(item) if item else None

    def add(self, series: str, member: Member) -> Member:
        """Keep a member that nobody has kept before; gives the one that is kept."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_item(series, member),
                ConditionExpression=NEW,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return _kept(item_in_the_way(error))
        return member

    def members(self, bundle: Bundle, after: Position | None = None) -> Iterator[Member]:
        """Every member of a bundle, or those that come after one: read as far as they are asked for, in the order of their
        positions. A member's id is its event's identity here.
        """
        for hour in sorted(bundle.hours):
            for shard in range(SHARDS):
                if after is None or (hour, shard) >= after[:2]:
                    last = after[2] if after and (hour, shard) == after[:2] else ""
                    yield from self._members(f"member#{bundle.series}#{hour}#{shard}", bundle.id, last)

    def _members(self, partition: str, bundle: str, after: str) -> Iterator[Member]:
        more = {"ExclusiveStartKey": {"pk": {"S": partition}, "sk": {"S": after}}} if after else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            FilterExpression="#bundle = :bundle",
            ProjectionExpression="#event, #rule, told, came_at",  # parsing more is what a flush would take longest for
            ExpressionAttributeNames={"#bundle": "bundle", "#event": "event", "#rule": "rule"},
            ExpressionAttributeValues={":pk": {"S": partition}, ":bundle": {"S": bundle}},
            PaginationConfig={"PageSize": _PAGE},
            **more,
        )
        for page in pages:
            for item in page["Items"]:
                event = _EVENT.decode(item["event"]["S"])
                yield _member(item, event, event.identity, bundle)

    def _get(self, key: Item) -> Item | None:
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item


def position_of(member: Member) -> Position:
    """Where a member of a rule's bundle is in the order of members."""
    return hour_of(member.event), shard_of(member.event.identity), member.event.identity


def hour_of(event: Event) -> str:
    """The hour of an event's own time: where a member of it is kept. A backfill does not know it for certain: "late"."""
    late = event.upload is not None and event.identity == late_identity(event.upload)
    return "late" if late else f"{event.at:%Y-%m-%dT%H}"


def _member_key(series: str, id_: str, hour: str) -> Item:
    return {"pk": {"S": f"member#{series}#{hour}#{shard_of(id_)}"}, "sk": {"S": id_}}


def _item(series: str, member: Member) -> Item:
    item = _member_key(series, member.id, hour_of(member.event)) | {
        "bundle": {"S": member.bundle},
        "event": {"S": _json(member.event)},
        "ttl": {"N": str(to_ms(member.event.at) // 1000 + _TTL)},
    }
    if member.rule:
        item["rule"] = {"S": member.rule}
    if member.came_at:
        item["came_at"] = {"N": str(to_ms(member.came_at))}
    if member.told:
        item["told"] = {"BOOL": True}
    return item


def _kept(item: Item) -> Member:
    return _member(item, _EVENT.decode(item["event"]["S"]), item["sk"]["S"], item["bundle"]["S"])


def _member(item: Item, event: Event, id_: str, bundle: str) -> Member:
    came_at = from_ms(int(item["came_at"]["N"])) if "came_at" in item else None
    return Member(id_, bundle, event, item.get("rule", {}).get("S", ""), "told" in item, came_at)


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()
