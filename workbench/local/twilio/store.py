"""The texts of a Twilio account, in memory: the stored rows, their JSON, and the filtered, paged list of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from urllib.parse import urlencode

VERSION = "2010-04-01"
_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 1000  # Twilio docs, "Messages resource", read multiple


@dataclass(frozen=True, slots=True)
class Row:
    """A text that the double accepted. `num_segments` is the real count, even if the first response says 0."""

    sid: str  # SM and 32 hex digits
    account: str
    from_: str  # the sending number, also if a messaging service picked it
    messaging_service_sid: str | None
    to: str
    body: str
    num_segments: int
    status: str  # delivered, or undelivered with an error_code
    date_created: datetime  # aware, UTC, whole seconds as in Twilio's JSON
    error_code: int | None = None

    @property
    def uri(self) -> str:
        """The message's URI, without the host."""
        return f"/{VERSION}/Accounts/{self.account}/Messages/{self.sid}.json"

    def resource(self) -> dict[str, object]:
        """The message resource as in Twilio's JSON: numbers are strings, times are RFC 2822."""
        created = format_datetime(self.date_created)
        return {
            "account_sid": self.account,
            "api_version": VERSION,
            "body": self.body,
            "date_created": created,
            "date_sent": created,
            "date_updated": created,
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

    def created_resource(self) -> dict[str, object]:
        """The response to the creating request: not sent yet; with a messaging service, without a sender yet."""
        queued = {**self.resource(), "date_sent": None, "error_code": None, "status": "queued"}
        if self.messaging_service_sid:
            return {**queued, "from": None, "num_segments": "0", "status": "accepted"}
        return queued


def list_page(rows: Sequence[Row], query: Mapping[str, str], path: str) -> dict[str, object]:
    """One page of the rows, newest first, that match the query's To, From and DateSent filters.

    A page starts after the last message of the page before (its PageToken), so new texts do not shift it.

    Raises:
        ValueError: a date or a page size is invalid.
    """
    matching = [row for row in rows if _matches(row, query)]
    size = min(max(int(query.get("PageSize", _PAGE_SIZE)), 1), _MAX_PAGE_SIZE)
    page = max(int(query.get("Page", 0)), 0)
    start = _start(matching, query.get("PageToken", ""))
    shown = matching[start : start + size]
    filters = {name: value for name, value in query.items() if name not in {"Page", "PageSize", "PageToken"}}

    def uri(number: int, token: str = "") -> str:
        position = {"Page": str(number), "PageSize": str(size), **({"PageToken": token} if token else {})}
        return f"{path}?{urlencode({**filters, **position})}"

    has_more = start + size < len(matching)
    return {
        "end": page * size + max(len(shown) - 1, 0),
        "first_page_uri": uri(0),
        "messages": [row.resource() for row in shown],
        "next_page_uri": uri(page + 1, f"PA{shown[-1].sid}") if has_more else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": _previous(matching, start, size, page, uri) if page and start else None,
        "start": page * size,
        "uri": uri(page, query.get("PageToken", "")),
    }


def _previous(rows: Sequence[Row], start: int, size: int, page: int, uri: Callable[[int, str], str]) -> str:
    first = start - size
    return uri(page - 1, f"PA{rows[first - 1].sid}" if first > 0 else "")


def _start(rows: Sequence[Row], token: str) -> int:
    sids = [row.sid for row in rows]
    last = token.removeprefix("PA")
    return sids.index(last) + 1 if last in sids else 0


def _matches(row: Row, query: Mapping[str, str]) -> bool:
    if any(query.get(name, own) != own for name, own in (("To", row.to), ("From", row.from_))):
        return False
    sent = row.date_created
    if "DateSent" in query and sent.date() != _parse(query["DateSent"], time.min).date():
        return False
    # `DateSent<=2026-11-23` is parsed as the name "DateSent<" and the value "2026-11-23"; both limits are inclusive
    if "DateSent<" in query and sent > _parse(query["DateSent<"], time.max):
        return False
    return not ("DateSent>" in query and sent < _parse(query["DateSent>"], time.min))


def _parse(text: str, time_of_day: time) -> datetime:
    """Parse a day, at this time of day, or a moment; both in GMT. Twilio's package sends moments."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return datetime.combine(date.fromisoformat(text), time_of_day, UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
