"""Reacting to changes of tables' items: rules tell of them, and count them, each once however often the stream brings them."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import TimeLeft
from ..delivery.intake import Intake
from ..platform import aws, log
from ..platform.aws import Clients
from ..rules.item_conditions import unanswerable
from ..sources.dynamodb_stream import records_of, views_of
from ..store.ledger import LEDGER_CONFIG


class ItemChangeHandler:
    """Takes batches of a table's stream."""

    def __init__(self, intake: Intake, environ: Mapping[str, str], clients: Clients | None = None) -> None:
        self._intake = intake
        self._settings = intake.deliverer.settings
        self._environ = environ
        self._clients = clients or aws.clients()
        self._counters: Any = None

    def take(self, payload: object, time_left: TimeLeft) -> dict[str, list[dict[str, str]]]:
        """Tell and count what rules want, and say which records are to come again.

        The answer is Lambda's for ReportBatchItemFailures: of a stream everything from the first of them on comes again, and
        what was told or counted by then is not told or counted twice. What cannot be read is parked, and holds up nothing.
        """
        records = records_of(payload)
        self._warn_of_missing_images(payload)
        failed = {each["itemIdentifier"] for each in self._intake.take_records(records, time_left)["batchItemFailures"]}
        numbers = {event.identity: number for number, batch in records for event in batch.events}
        failed |= {numbers[identity] for identity in self._count(records)}
        return {"batchItemFailures": [{"itemIdentifier": number} for number, _ in records if number in failed]}

    def _count(self, records: Any) -> set[str]:
        """Count what rules count; gives the identities of events that could not be."""
        wanted = [
            (match.event, match.rule.name, count_by)
            for _, batch in records
            for event in batch.events
            for match in self._intake.matches(event)
            for count_by in (match.rule.item.count if match.rule.item else ())
        ]
        if not wanted:
            return set()
        from ..store.counters import Counters, count_items

        try:
            if self._counters is None:
                client, table = self._clients("dynamodb", config=LEDGER_CONFIG), self._environ["DROPNOTE_COUNTERS"]
                analytics = self._settings.analytics
                self._counters = Counters(client, table, keep=analytics.keep) if analytics else Counters(client, table)
            return count_items(self._counters, wanted, self._intake.deliverer.clock())
        except (ClientError, BotoCoreError) as error:
            log.warning("not-counted", detail=str(error))
            return {event.identity for event, *_ in wanted}

    def _warn_of_missing_images(self, payload: object) -> None:
        """A stream that tells keys only, or one image, leaves conditions unfulfilled: once a batch somebody is to know why."""
        for table, view in views_of(payload):
            of_table = (rule for rule in self._settings.rules if rule.item and rule.item.table == table)
            for rule in of_table:
                if open_ := unanswerable(rule.item, view) if rule.item else ():
                    how = "switch the stream to StreamViewType=NEW_AND_OLD_IMAGES"
                    log.warning("no-images", rule=rule.name, table=table, view=view, never_hold=list(open_), next=how)
