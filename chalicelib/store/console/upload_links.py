"""Upload links: what each allows, until when, and whether it was revoked.

Row: pk "upload-links", sk <id>, v, bucket, folder, region, max_bytes, label, by, created_at, expires_at (milliseconds since
1970), revoked_at and revoked_by once it was revoked, ttl. In no index. The link itself is not stored: it is signed.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from ...platform.clock import from_ms, to_ms
from ..ledger import raise_unless_condition_failed
from ..rows.keys import from_attributes, optional_time, to_attributes, ttl_of
from ..rows.versions import VERSION, Item, readable, reads_row

_PARTITION = "upload-links"


class UploadLink(Struct, frozen=True):
    """What one link allows."""

    id: str
    bucket: str
    folder: str
    region: str  # of the bucket
    max_bytes: int  # of each file
    label: str  # what the page says it is for
    by: str  # who made it
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: str = ""

    def state(self, now: datetime) -> str:
        """ "valid", "expired" or "revoked"."""
        if self.revoked_at:
            return "revoked"
        return "valid" if now < self.expires_at else "expired"


class UploadLinks:
    """The rows of one table. `client` is a DynamoDB client; its errors propagate."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, link: UploadLink) -> None:
        """Store a link."""
        values: dict[str, str | int] = {
            "bucket": link.bucket,
            "folder": link.folder,
            "region": link.region,
            "max_bytes": link.max_bytes,
            "label": link.label,
            "by": link.by,
            "created_at": to_ms(link.created_at),
            "expires_at": to_ms(link.expires_at),
            "ttl": ttl_of(link.expires_at),
        }
        self._client.put_item(TableName=self._table, Item=_key(link.id) | VERSION | to_attributes(values))

    def get(self, id_: str) -> UploadLink | None:
        """Return a link, as it is now."""
        response = self._client.get_item(TableName=self._table, Key=_key(id_), ConsistentRead=True)
        return next(iter(readable([response["Item"]], _read)), None) if "Item" in response else None

    def all(self) -> list[UploadLink]:
        """Return all links that are not long over, the newest first."""
        return sorted(self._rows(), key=lambda link: link.created_at, reverse=True)

    def revoke(self, id_: str, by: str, now: datetime) -> bool:
        """Revoke a link: False if there is none, or it was revoked before."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(id_),
                UpdateExpression="SET revoked_at = :now, revoked_by = :by",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(revoked_at)",
                ExpressionAttributeValues={":now": {"N": str(to_ms(now))}, ":by": {"S": by}},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def _rows(self) -> Iterator[UploadLink]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _PARTITION}},
        )
        for page in pages:
            yield from readable(page["Items"], _read)


def _key(id_: str) -> Item:
    return {"pk": {"S": _PARTITION}, "sk": {"S": id_}}


@reads_row
def _read(item: Item) -> UploadLink:
    values = from_attributes(item)
    return UploadLink(
        id=values["sk"],
        bucket=values["bucket"],
        folder=values["folder"],
        region=values.get("region", ""),
        max_bytes=values["max_bytes"],
        label=values.get("label", ""),
        by=values.get("by", ""),
        created_at=from_ms(values["created_at"]),
        expires_at=from_ms(values["expires_at"]),
        revoked_at=optional_time(values.get("revoked_at")),
        revoked_by=values.get("revoked_by", ""),
    )
