"""[analytics]: each message is counted once, in the configured dimensions; and what counting costs."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from bench.units import Meter
from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Analytics
from tests.counting.counters import analytics_counter_of, counter_of, day_counts, set_budget
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, Stage, plenty
from tests.support.streams import Record, a_delivery, batch, record, sent, sent_records
from workbench.local.ministack import MiniStack, local_client


def test_each_message_is_counted_and_their_common_file_once(client: Any, stage: Stage) -> None:
    mail, text, other = a_delivery("a"), a_delivery("a", channel=Channel.SMS, segments=2), a_delivery("a", person="ben")
    deliveries = [replace(delivery, id=str(number) * 32) for number, delivery in enumerate((mail, text, other))]
    records = [record(delivery, sent(delivery)) for delivery in deliveries]
    for _ in range(2):  # again, in another order, in another container
        records.reverse()
        counter = analytics_counter_of(stage, client)
        assert counter.take(batch(*records), plenty) == {"batchItemFailures": []}
    assert day_counts(counter, "messages by person") == {"asha": 2, "ben": 1}
    assert day_counts(counter, "messages by channel") == {"email": 2, "sms": 1}
    assert day_counts(counter, "messages by outcome") == {"sent": 3}
    assert day_counts(counter, "files by folder") == {"in": 1}
    assert day_counts(counter, "files by rule") == {"uploads": 1}
    assert day_counts(counter, "files by bucket") == {"acme-drops": 1}


def test_only_configured_dimensions_are_counted(client: Any, stage: Stage) -> None:
    counter = analytics_counter_of(stage, client, "outcome")
    set_budget(stage, "asha")
    counter.take(batch(record(None, replace(a_delivery("a"), state=State.DROPPED, reason=Reason.SILENCED))), plenty)
    items = client.scan(TableName=COUNTERS)["Items"]
    assert {item["pk"]["S"] for item in items if item["sk"]["S"] != "mark"} == {"count#messages by outcome"}
    assert day_counts(counter, "messages by outcome") == {"dropped:silenced": 1}


def test_retention_of_days_is_configurable(client: Any, stage: Stage) -> None:
    stage.settings = replace(stage.settings, analytics=Analytics(keep=timedelta(days=30), by=("channel",)))
    counter_of(stage, client).take(batch(*sent_records(1)), plenty)
    expiry = {item["sk"]["S"][:4]: int(item["ttl"]["N"]) for item in client.scan(TableName=COUNTERS)["Items"]}
    day = NOON.replace(hour=0)
    assert (expiry["hour"], expiry["day#"]) == tuple((at + timedelta(days=30)).timestamp() for at in (NOON, day))


def write_units(client: Any, counter: DeliveryCounter, records: list[Record]) -> float:
    meter = Meter(client)
    with meter.counting("counter"):
        counter.take(batch(*records), plenty)
    return meter.units["counter"].writes


def test_write_units_per_message_are_as_documented(ministack: MiniStack, client: Any, stage: Stage) -> None:
    own = local_client(ministack.endpoint, "dynamodb")  # separate, so that no other calls are counted
    counter = counter_of(stage, own)
    assert write_units(own, counter, sent_records(1)) == 4
    assert write_units(own, counter, sent_records(1, channel=Channel.SMS, segments=2)) == 6
    assert write_units(own, counter, sent_records(90)) == 90 * 2 + 2
    counter = analytics_counter_of(stage, own)
    assert write_units(own, counter, sent_records(1)) == 38
    assert write_units(own, counter, sent_records(90)) / 90 < 6
