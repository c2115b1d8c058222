"""Handles changed items of other tables: rules send messages about them and count them, once per change."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import TimeLeft
from ..delivery.intake import Intake
from ..domain.event import Batch
from ..platform import aws, log
from ..platform.aws import ClientFactory
from ..rules.item_conditions import impossible_conditions
from ..sources.dynamodb_stream import parse_records, stream_views
from ..store.ledger import LEDGER_CONFIG


class ItemChangeHandler:
    """Takes batches of a table's stream."""

    def __init__(self, intake: Intake, environ: Mapping[str, str], clients: ClientFactory | None = None) -> None:
        self._intake = intake
        self._settings = intake.deliverer.settings
        self._environ = environ
        self._clients = clients or aws.client_factory()
        self._counters: Any = None

    def take(self, payload: object, time_left: TimeLeft) -> dict[str, list[dict[str, str]]]:
        """Send and count what the rules ask for. Returns Lambda's response for ReportBatchItemFailures.

        Lambda retries a stream from the first failed record on; what was already sent or counted is not repeated. A record that
        cannot be read is parked and does not block the stream.
        """
        records = parse_records(payload)
        self._warn_of_missing_images(payload)
        failed = {failure["itemIdentifier"] for failure in self._intake.take_records(records, time_left)["batchItemFailures"]}
        numbers = {event.identity: number for number, batch in records for event in batch.events}
        failed |= {numbers[identity] for identity in self._count(records)}
        return {"batchItemFailures": [{"itemIdentifier": number} for number, _ in records if number in failed]}

    def _count(self, records: Sequence[tuple[str, Batch]]) -> set[str]:
        """Count the items that rules count. Returns the identities of events that could not be counted."""
        to_count = [
            (match.event, match.rule.name, count_by)
            for _, batch in records
            for event in batch.events
            for match in self._intake.matches(event)
            for count_by in (match.rule.item.count if match.rule.item else ())
        ]
        if not to_count:
            return set()
        from ..store.counts.counters import Counters, count_items

        try:
            if self._counters is None:
                client, table = self._clients("dynamodb", config=LEDGER_CONFIG), self._environ["DROPNOTE_COUNTERS"]
                analytics = self._settings.analytics
                self._counters = Counters(client, table, keep=analytics.keep) if analytics else Counters(client, table)
            return count_items(self._counters, to_count, self._intake.deliverer.clock())
        except (ClientError, BotoCoreError) as error:
            log.warning("not-counted", detail=str(error))
            return {event.identity for event, *_ in to_count}

    def _warn_of_missing_images(self, payload: object) -> None:
        """Log, once per batch, the conditions that can never be met because the stream does not have both images of an item."""
        for table, view in stream_views(payload):
            for rule in self._settings.rules:
                if rule.item is None or rule.item.table != table:
                    continue
                if impossible := impossible_conditions(rule.item, view):
                    fix = "set StreamViewType=NEW_AND_OLD_IMAGES on the stream"
                    log.warning("no-images", rule=rule.name, table=table, view=view, never_hold=list(impossible), next=fix)
