"""Sample changes of a table's items: a refused order, a new one, an expired one and a hostile one."""

from datetime import UTC, datetime

from chalicelib.domain.event import Event, Kind, identity_of
from chalicelib.domain.payloads import ChangeType, Item

_AT = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
_PAID = {"id": "17", "status": "paid", "total": 120, "customer": {"city": "Pune"}}
_REFUSED = {**_PAID, "status": "refused"}
_HOSTILE = {
    "id": "\u202e<img src=x onerror=alert(1)>\r\nBcc: eve@example.net",
    "evil.com": "{{ 7 * 7 }} http://evil.com",
    "x": "y" * 3000,
}


def sample_items() -> dict[str, Event]:
    """Return one event per kind of change, by name."""
    return {
        "item": _event(Item("orders", ChangeType.UPDATED, {"id": "17"}, _REFUSED, _PAID, ("status",))),
        "item-created": _event(Item("orders", ChangeType.CREATED, {"id": "17"}, _PAID)),
        "item-expired": _event(Item("orders", ChangeType.DELETED, {"id": "17"}, {}, _PAID, expired=True)),
        "item-hostile": _event(Item("orders", ChangeType.CREATED, {"id": _HOSTILE["id"]}, _HOSTILE)),
    }


def _event(item: Item) -> Event:
    return Event(Kind.ITEM, identity_of("sample", item.did, str(item.key)), _AT, "us-east-1", item=item)
