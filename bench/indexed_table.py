"""A proxy of MiniStack that answers queries of index `day` as DynamoDB does: from a sorted index, however many rows there are.

MiniStack reads the whole table for each query of an index, which takes seconds with 100,000 rows.
"""

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable

from chalicelib.store.rows.versions import Item
from workbench.local.proxy.proxy import Answer, Fault, Proxy, RecordedRequest


class IndexedProxy(Proxy):
    """A proxy with the index of some rows; everything else is MiniStack's."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._index: dict[str, list[tuple[int, str]]] = defaultdict(list)

    def add(self, rows: Iterable[Item]) -> None:
        """Add rows to the index, the newest first."""
        for row in rows:
            self._index[row["day"]["S"]].append((int(row["created_at"]["N"]), row["pk"]["S"]))

    def sort(self) -> None:
        """Sort the index; call it after the last row."""
        for entries in self._index.values():
            entries.sort()

    def _intercept(self, request: RecordedRequest) -> Fault | Answer | None:
        planned = super()._intercept(request)
        if planned is None and request.operation == "Query":
            query = json.loads(request.body)
            if query.get("IndexName") == "day":
                return Answer(200, json.dumps(self._query(query)).encode(), (("Content-Type", "application/x-amz-json-1.0"),))
        return planned

    def _query(self, query: dict[str, object]) -> dict[str, object]:
        """The newest entries of a shard between two times: one page of `Limit`."""
        values: Item = query["ExpressionAttributeValues"]  # type: ignore[assignment]
        entries = self._index.get(values[":shard"]["S"], [])
        since, until = int(values[":since"]["N"]), int(values[":until"]["N"])
        end = bisect_right(entries, (until, "~"))
        if start := query.get("ExclusiveStartKey"):
            end = bisect_left(entries, (int(start["created_at"]["N"]), start["pk"]["S"]))  # type: ignore[index]
        begin = max(bisect_left(entries, (since, "")), end - int(query["Limit"]))  # type: ignore[call-overload]
        items = [_key(values[":shard"]["S"], *entry) for entry in reversed(entries[begin:end])]
        more = begin > 0 and entries[begin - 1][0] >= since
        return {"Items": items, "Count": len(items)} | ({"LastEvaluatedKey": items[-1]} if more and items else {})


def _key(shard: str, at: int, pk: str) -> Item:
    return {"day": {"S": shard}, "created_at": {"N": str(at)}, "pk": {"S": pk}, "sk": {"S": "delivery"}}
