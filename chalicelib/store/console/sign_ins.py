"""Sign-in links that can be used once, and the number of attempts to use one.

Rows: pk "signin#<id>", sk "signin", v, person, expires_at (milliseconds since 1970), used_at once it was used, ttl; and
pk "attempts#<hash of the client's address and the window>", sk "attempts", v, count, ttl. Neither is in an index.
"""

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ...domain.event import identity_of
from ...platform.clock import to_ms
from ..ledger import raise_unless_condition_failed
from ..rows.keys import key_of, to_attributes
from ..rows.versions import VERSION

LINK_LIFE = timedelta(minutes=15)
WINDOW = timedelta(minutes=10)  # in which attempts are counted, unless the caller counts those of a day
DAY = timedelta(days=1)
_KEPT = timedelta(days=1)  # rows are of no use after it


class SignIns:
    """The rows of one table. `client` is a DynamoDB client; its errors propagate."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, id_: str, person: str, now: datetime) -> None:
        """Store a link. `id_` is random."""
        values: dict[str, str | int] = {
            "person": person,
            "expires_at": to_ms(now + LINK_LIFE),
            "ttl": to_ms(now + _KEPT) // 1000,
        }
        self._client.put_item(TableName=self._table, Item=key_of("signin", id_) | VERSION | to_attributes(values))

    def use(self, id_: str, person: str, now: datetime) -> bool:
        """Use a link: True for the first request only, before it expires and for the person it was made for."""
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key_of("signin", id_),
                UpdateExpression="SET used_at = :now",
                ConditionExpression="person = :person AND expires_at > :now AND attribute_not_exists(used_at)",
                ExpressionAttributeValues={":now": {"N": str(to_ms(now))}, ":person": {"S": person}},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def count_attempt(self, client: str, now: datetime, within: timedelta = WINDOW) -> int:
        """Count an attempt of a client and return how many it made in this window. Of its IP address, only a hash is stored."""
        window = to_ms(now) // (within // timedelta(milliseconds=1))
        response = self._client.update_item(
            TableName=self._table,
            Key=key_of("attempts", identity_of("attempts", client, str(window))),
            UpdateExpression="ADD #count :one SET v = :v, #ttl = :ttl",
            ExpressionAttributeNames={"#count": "count", "#ttl": "ttl"},
            ExpressionAttributeValues={
                ":one": {"N": "1"},
                ":v": VERSION["v"],
                ":ttl": {"N": str(to_ms(now + _KEPT) // 1000)},
            },
            ReturnValues="UPDATED_NEW",
        )
        return int(response["Attributes"]["count"]["N"])
