"""Bundles in the ledger's table: windows, bundles and their members. Each step is one conditional write.

    lane#<id>                       one row: the window that accepts uploads now
    bundle#<id>                     one row per window or recipient with something to send; in the indexes `due` and `day`
    member#<series>#<hour>#<shard>  one row per member, by the event's identity

A member costs one write unit: it is in no index and smaller than 1 KB. Its key depends only on the event, so a redelivered
upload finds its row; it includes a shard, so no partition is hot. The bundle's row lists the hours (of the events' own time) that
have members.
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
from .ledger import IF_ABSENT, conflicting_item, raise_unless_condition_failed
from .rows import RETENTION, SHARDS, Item, bundle_from_item, bundle_to_item, key_of, shard_of

_PAGE = 500  # rows: a page of 1 MB takes 5 MB of memory while it is parsed
_TTL = int(RETENTION.total_seconds())
_EVENT = msgspec.json.Decoder(Event)


class Member(Struct, frozen=True):
    """One event of a bundle, or one that was sent immediately and is stored so that a redelivery is recognized."""

    id: str  # 32 hex digits: the event's identity, or the id of the delivery that was deferred
    bundle: str  # the id of the bundle whose message includes it
    event: Event
    rule: str = ""  # in a recipient's bundle, which has events of several rules
    sent_immediately: bool = False  # not included in the bundle's message; stored as "told"
    received_at: datetime | None = None  # when it reached the bot; stored as "came_at"


class Bundles:
    """The bundles of one table. `client` is a DynamoDB client. Its errors propagate: AWS sends the event again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def window(self, lane: str) -> Window | None:
        """Return the newest window of a lane; None before its first."""
        item = self._get(key_of("lane", lane))
        return msgspec.json.decode(item["window"]["S"], type=Window) if item else None

    def replace_window(self, lane: str, old: Window | None, new: Window) -> bool:
        """Replace a lane's window; False if another writer was faster."""
        item = key_of("lane", lane) | {"window": {"S": _json(new)}, "ttl": {"N": str(to_ms(new.due) // 1000 + _TTL)}}
        condition: dict[str, Any] = {"ConditionExpression": IF_ABSENT}
        if old:
            condition = {
                "ConditionExpression": "#window = :old",
                "ExpressionAttributeNames": {"#window": "window"},
                "ExpressionAttributeValues": {":old": {"S": _json(old)}},
            }
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def get(self, id_: str) -> Bundle | None:
        """Return the bundle of an id, or None."""
        item = self._get(key_of("bundle", id_))
        return bundle_from_item(item) if item else None

    def ensure(self, bundle: Bundle) -> Bundle:
        """Create a bundle unless it exists, and add its hours to the stored ones; returns the stored bundle."""
        stored = self.get(bundle.id)
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
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed) if changed else ""
        expression += " REMOVE " + ", ".join(f"#{name}" for name in removed) if removed else ""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key_of("bundle", old.id),
                UpdateExpression=expression,
                ConditionExpression="#bundle = :old",
                ExpressionAttributeNames={f"#{name}": name for name in {*changed, *removed, "bundle"}},
                ExpressionAttributeValues={**{f":{name}": value for name, value in changed.items()}, ":old": before["bundle"]},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def member(self, series: str, id_: str, hour: str) -> Member | None:
        """Return a member of a series by its id and its event's hour, or None."""
        item = self._get(_member_key(series, id_, hour))
        return _member_from_item(item) if item else None

    def add_member(self, series: str, member: Member) -> Member:
        """Store a member unless it is already stored; returns the stored one."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_member_to_item(series, member),
                ConditionExpression=IF_ABSENT,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return _member_from_item(conflicting_item(error))
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
                event = _EVENT.decode(item["event"]["S"])
                yield _member(item, event, event.identity, bundle)

    def _get(self, key: Item) -> Item | None:
        response = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: Item | None = response.get("Item")
        return item


def position_of(member: Member) -> Position:
    """Return the position of a member of a rule's bundle in the order of members."""
    return hour_of(member.event), shard_of(member.event.identity), member.event.identity


def hour_of(event: Event) -> str:
    """Return the hour of an event's own time, part of a member's key; "late" for a backfill, which cannot know it exactly."""
    late = event.upload is not None and event.identity == late_identity(event.upload)
    return "late" if late else f"{event.at:%Y-%m-%dT%H}"


def _member_key(series: str, id_: str, hour: str) -> Item:
    return {"pk": {"S": f"member#{series}#{hour}#{shard_of(id_)}"}, "sk": {"S": id_}}


def _member_to_item(series: str, member: Member) -> Item:
    item = _member_key(series, member.id, hour_of(member.event)) | {
        "bundle": {"S": member.bundle},
        "event": {"S": _json(member.event)},
        "ttl": {"N": str(to_ms(member.event.at) // 1000 + _TTL)},
    }
    if member.rule:
        item["rule"] = {"S": member.rule}
    if member.received_at:
        item["came_at"] = {"N": str(to_ms(member.received_at))}
    if member.sent_immediately:
        item["told"] = {"BOOL": True}
    return item


def _member_from_item(item: Item) -> Member:
    return _member(item, _EVENT.decode(item["event"]["S"]), item["sk"]["S"], item["bundle"]["S"])


def _member(item: Item, event: Event, id_: str, bundle: str) -> Member:
    received_at = from_ms(int(item["came_at"]["N"])) if "came_at" in item else None
    return Member(id_, bundle, event, item.get("rule", {}).get("S", ""), "told" in item, received_at)


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()
