"""The audit log: who did what in the console, and which sign-in links were made.

Row: pk "audit#<month>", sk "<milliseconds since 1970>#<random>", v, who, did, what (a rule, a monitor, a delivery's id), detail,
ttl. In no index, so the ledger's log does not show them. No address, no link, no secret is stored.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from msgspec import Struct

from ...platform.clock import from_ms, to_ms
from ..rows.keys import RETENTION, from_attributes, to_attributes
from ..rows.versions import VERSION, Item, readable, reads_row


class Action(StrEnum):
    """What somebody did; the stored word."""

    LINK = "made a sign-in link"
    SIGN_IN = "signed in"
    SIGN_OUT = "signed out"
    RESEND = "resent"
    ACKNOWLEDGE = "acknowledged"
    SILENCE = "silenced"
    UNSILENCE = "ended the silence of"
    DOWNLOAD = "downloaded the file of"
    UPLOAD_LINK = "made the upload link"
    REVOKE_LINK = "revoked the upload link"
    UPLOAD = "was allowed to upload"


class Entry(Struct, frozen=True):
    """One line of the audit log."""

    at: datetime
    who: str
    did: Action
    what: str = ""
    detail: str = ""


class Audit:
    """The audit log of one table. `client` is a DynamoDB client; its errors propagate."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def record(self, entry: Entry) -> None:
        """Add a line."""
        at = to_ms(entry.at)
        values: dict[str, str | int] = {
            "who": entry.who,
            "did": entry.did.value,
            "what": entry.what,
            "detail": entry.detail,
            "ttl": to_ms(entry.at + RETENTION) // 1000,
        }
        key = {"pk": {"S": _partition(entry.at)}, "sk": {"S": f"{at:015d}#{secrets.token_hex(4)}"}}
        self._client.put_item(TableName=self._table, Item=key | VERSION | to_attributes(values))

    def newest(self, until: datetime, limit: int) -> list[Entry]:
        """Return the newest lines, newest first, of up to 90 days: at most a query per month."""
        return list(islice(self._entries(until), limit))

    def _entries(self, until: datetime) -> Iterator[Entry]:
        month, oldest = until, until - RETENTION
        while _partition(month) >= _partition(oldest):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _partition(month)}},
                ScanIndexForward=False,
                PaginationConfig={"PageSize": 50},
            )
            for page in pages:
                yield from readable(page["Items"], _read)
            month = month.replace(day=1) - timedelta(days=1)


def _partition(at: datetime) -> str:
    return f"audit#{at:%Y-%m}"


@reads_row
def _read(item: Item) -> Entry:
    values = from_attributes(item)
    at = from_ms(int(values["sk"].partition("#")[0]))
    return Entry(at, values["who"], Action(values["did"]), values.get("what", ""), values.get("detail", ""))
