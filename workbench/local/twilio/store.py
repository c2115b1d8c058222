"""The texts a Twilio account holds, in memory: the rows, their JSON, and the filtered, paged list of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from urllib.parse import urlencode

VERSION = "2010-04-01"
_PAGE_SIZE, _LARGEST_PAGE = 50, 1000  # Twilio docs, "Messages resource", read multiple


@dataclass(frozen=True, slots=True)
class Row:
    """One text that the double took. `num_segments` is counted, even where the first answer says 0."""

    sid: str  # SM and 32 hex digits
    account: str
    from_: str  # the number it went out from, also when a messaging service picked it
    messaging_service_sid: str | None
    to: str
    body: str
    num_segments: int
    status: str  # delivered, or undelivered with an error_code
    date_created: datetime  # aware, UTC, whole seconds as on the wire
    error_code: int | None = None

    @property
    def uri(self) -> str:
        """Where this message is, without the host."""
        return f"/{VERSION}/Accounts/{self.account}/Messages/{self.sid}.json"

    def resource(self) -> dict[str, object]:
        """The message resource as Twilio's JSON has it; numbers are strings there, and times RFC 2822."""
        when = format_datetime(self.date_created)
        return {
            "account_sid": self.account,
            "api_version": VERSION,
            "body": self.body,
            "date_created": when,
            "date_sent": when,
            "date_updated": when,
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": None,
            "from": self.from_,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(self.num_segments),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": self.uri.removesuffix(".json") + "/Media.json"},
            "to": self.to,
            "uri": self.uri,
        }

    def first_answer(self) -> dict[str, object]:
        """What the creating request is told: not sent yet; by a messaging service, not even numbered yet."""
        young = {**self.resource(), "date_sent": None, "error_code": None, "status": "queued"}
        if self.messaging_service_sid:
            return {**young, "from": None, "num_segments": "0", "status": "accepted"}
        return young


def listing(rows: Sequence[Row], query: Mapping[str, str], path: str) -> dict[str, object]:
    """One page of the newest-first rows that the query's To, From and DateSent filters let through.

    A page is anchored at the last message of the one before (its PageToken): new texts do not shift it.
    Raises ValueError for a date or a page size that cannot be read.
    """
    kept = [row for row in rows if _wanted(row, query)]
    size = min(max(int(query.get("PageSize", _PAGE_SIZE)), 1), _LARGEST_PAGE)
    page = max(int(query.get("Page", 0)), 0)
    start = _after(kept, query.get("PageToken", ""))
    shown = kept[start : start + size]
    filters = {name: value for name, value in query.items() if name not in {"Page", "PageSize", "PageToken"}}

    def uri(number: int, token: str = "") -> str:
        place = {"Page": str(number), "PageSize": str(size), **({"PageToken": token} if token else {})}
        return f"{path}?{urlencode({**filters, **place})}"

    more = start + size < len(kept)
    return {
        "end": page * size + max(len(shown) - 1, 0),
        "first_page_uri": uri(0),
        "messages": [row.resource() for row in shown],
        "next_page_uri": uri(page + 1, f"PA{shown[-1].sid}") if more else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": _previous(kept, start, size, page, uri) if page and start else None,
        "start": page * size,
        "uri": uri(page, query.get("PageToken", "")),
    }


def _previous(kept: Sequence[Row], start: int, size: int, page: int, uri: Callable[[int, str], str]) -> str:
    first = start - size
    return uri(page - 1, f"PA{kept[first - 1].sid}" if first > 0 else "")


def _after(rows: Sequence[Row], token: str) -> int:
    sids = [row.sid for row in rows]
    anchor = token.removeprefix("PA")
    return sids.index(anchor) + 1 if anchor in sids else 0


def _wanted(row: Row, query: Mapping[str, str]) -> bool:
    if any(query.get(name, own) != own for name, own in (("To", row.to), ("From", row.from_))):
        return False
    sent = row.date_created
    if "DateSent" in query and sent.date() != _moment(query["DateSent"], time.min).date():
        return False
    # `DateSent<=2026-11-23` reads as the name "DateSent<" and the value "2026-11-23"; both ends count.
    if "DateSent<" in query and sent > _moment(query["DateSent<"], time.max):
        return False
    return not ("DateSent>" in query and sent < _moment(query["DateSent>"], time.min))


def _moment(text: str, of_day: time) -> datetime:
    """A day (its start or end, as asked) or a moment, both GMT; Twilio's package sends the second."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return datetime.combine(date.fromisoformat(text), of_day, UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
