"""Members of bundles (the events that a bundle's message reports, one row each), and lanes.

    lane#<id>                       one row: window (JSON), recent (JSON: when messages were sent immediately), ttl, forgotten_at
    member#<series>#<hour>#<shard>  one row per member, by the event's identity

The key depends only on the event, so a redelivered event finds its row; it includes a shard, so no partition is hot.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Position, Window
from ..domain.event import Event, late_identity
from ..platform.clock import from_ms, to_ms
from .rows import key_of, shard_of, ttl_of
from .rows.versions import VERSION, Item, reads_row

_EVENT = msgspec.json.Decoder(Event)


class Member(Struct, frozen=True):
    """One event of a bundle, or one that was sent immediately and is stored so that a redelivery is recognized."""

    id: str  # 32 hex digits: the event's identity, or the id of the delivery that was deferred
    bundle: str  # the id of the bundle whose message includes it
    event: Event
    rule: str = ""  # in a recipient's bundle, which has events of several rules
    sent_immediately: bool = False  # not included in the bundle's message; stored as "told"
    received_at: datetime | None = None  # when it reached the bot; stored as "came_at"


def position_of(member: Member) -> Position:
    """Return the position of a member of a rule's bundle in the order of members."""
    return hour_of(member.event), shard_of(member.event.identity), member.event.identity


def hour_of(event: Event) -> str:
    """Return the hour of an event's own time, part of a member's key; "late" for a backfill, which cannot know it exactly."""
    late = event.upload is not None and event.identity == late_identity(event.upload)
    return "late" if late else f"{event.at:%Y-%m-%dT%H}"


def member_key(series: str, id_: str, hour: str) -> Item:
    """Return a member's primary key."""
    return {"pk": {"S": f"member#{series}#{hour}#{shard_of(id_)}"}, "sk": {"S": id_}}


def member_to_item(series: str, member: Member) -> Item:
    """Convert a member to an item: smaller than 1 KB and in no index, so it costs one write unit."""
    item = member_key(series, member.id, hour_of(member.event)) | {
        "bundle": {"S": member.bundle},
        "event": {"S": msgspec.json.encode(member.event).decode()},
        "ttl": {"N": str(ttl_of(member.event.at))},
    }
    if member.rule:
        item["rule"] = {"S": member.rule}
    if member.received_at:
        item["came_at"] = {"N": str(to_ms(member.received_at))}
    if member.sent_immediately:
        item["told"] = {"BOOL": True}
    return item


def member_from_item(item: Item) -> Member:
    """Convert an item back to a member."""
    return member_of_row(item, event_of_row(item), item["sk"]["S"], item["bundle"]["S"])


def event_of_row(item: Item) -> Event:
    """Return the event of a member's row, or of a part of one."""
    return _EVENT.decode(item["event"]["S"])


def member_of_row(item: Item, event: Event, id_: str, bundle: str) -> Member:
    """Return the member of a row, or of a part of one, whose event is known."""
    received_at = from_ms(int(item["came_at"]["N"])) if "came_at" in item else None
    return Member(id_, bundle, event, item.get("rule", {}).get("S", ""), "told" in item, received_at)


@reads_row
def window_from_item(item: Item) -> Window:
    """Convert a lane's item to its window.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    window = msgspec.json.decode(item["window"]["S"], type=Window)
    if "recent" not in item:
        return window
    return replace(window, recent=msgspec.json.decode(item["recent"]["S"], type=tuple[datetime, ...]))


def lane_to_item(lane: str, window: Window) -> Item:
    """Convert a lane's window to its item. `recent` is an attribute of its own: an earlier version does not know that field, and
    compares the text of the window with the one it would write.
    """
    recent: Item = {"recent": {"S": _json(window.recent)}} if window.recent else {}
    ttl = {"N": str(ttl_of(window.due))}
    return key_of("lane", lane) | VERSION | {"window": {"S": _json(replace(window, recent=()))}, "ttl": ttl} | recent


def if_window_is(window: Window) -> dict[str, Any]:
    """The condition that a lane's window is still this one, also in the form that had `recent` in its text."""
    condition, values = "#window = :window AND attribute_not_exists(#recent)", {":window": _json(replace(window, recent=()))}
    if window.recent:
        condition = "(#window = :window AND #recent = :recent) OR #window = :both"
        values |= {":recent": _json(window.recent), ":both": _json(window)}
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#window": "window", "#recent": "recent"},
        "ExpressionAttributeValues": {name: {"S": value} for name, value in values.items()},
    }


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
