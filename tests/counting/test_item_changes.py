"""Changes of a table's items are sent and counted once each, however often the stream delivers them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from bench.units import Meter
from chalicelib.counting.item_changes import ItemChangeHandler
from chalicelib.delivery.resend import ResendError, redrive
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.store.counts.counters import Counters
from chalicelib.store.rows import Parked
from tests.support.builders import some_settings
from tests.support.log_scan import LogLines
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from tests.support.stream_records import PAID, REFUSED, event_of, record
from workbench.local.ministack import MiniStack, local_client

RULES = """
[[rules]]
name = "refused"
on = "item"
table = "orders"
changed = ["status"]
new = { status = "refused", total = "> 100" }
title = "Order {id} is refused"
notify = ["email:asha", "sms:asha"]
then = "off"
[[rules]]
name = "orders"
on = "item"
table = "orders"
count = ["orders by status", "sum total of sales by status"]
"""
BUNDLED = RULES.replace('then = "off"\n', "")


def settings() -> Settings:
    return some_settings(RULES)


def handle(stage: Stage, *records: dict[str, Any], counters: Any = None) -> list[str]:
    """Hand records to the bot; returns the sequence numbers of those that failed."""
    handler = ItemChangeHandler(stage.bot.intake, {"DROPNOTE_COUNTERS": "dropnote-prod-counters"}, counters or _no_clients)
    return [failure["itemIdentifier"] for failure in handler.take({"Records": list(records)}, plenty)["batchItemFailures"]]


def _no_clients(service: str, **_: Any) -> Any:
    raise LookupError(service)


def without_counters(rules: str = RULES) -> Settings:
    settings = some_settings(rules)
    return replace(settings, rules=tuple(rule for rule in settings.rules if rule.name != "orders"))


def stage_without_counters() -> Stage:
    return memory_stage(without_counters())


@pytest.fixture
def stage() -> Stage:
    return stage_without_counters()


def refused_orders(*numbers: int) -> list[dict[str, Any]]:
    return [record({**REFUSED, "id": str(number)}, {**PAID, "id": str(number)}, number) for number in numbers]


def test_redelivered_change_sends_once(stage: Stage) -> None:
    refused = record(REFUSED, PAID)
    assert handle(stage, refused, record(PAID, number=2)) == []
    assert handle(stage, refused) == []
    (mail, text) = (accepted.message for accepted in (*stage.mail.accepted, *stage.text.accepted))
    assert mail.subject == "Order 17 is refused"
    assert "(was paid)" in mail.text
    assert text.text == "acme-drops: Order 17 is refused (status: paid -> refused), 17:30 IST"


def test_burst_of_changes_is_sent_as_a_summary_with_a_line_each() -> None:
    stage = memory_stage(without_counters(BUNDLED))
    handle(stage, *refused_orders(*range(1, 10)))
    assert handle(stage, *refused_orders(*range(1, 10))) == []
    assert len(stage.text.accepted) == len(stage.mail.accepted) == 5
    stage.sweep_for(minutes=12)
    mail, text = stage.mail.accepted[5].message, stage.text.accepted[5].message
    assert mail.subject == "4 more changes in orders"
    assert all(f"Order {number} is refused" in mail.text for number in (6, 7, 8, 9))
    assert text.text.startswith("acme-drops: 4 more changes in orders, 17:30 IST")
    assert len(stage.text.accepted) == len(stage.mail.accepted) == 6


def test_member_of_a_burst_costs_one_write_unit(ministack: MiniStack) -> None:
    client, long = local_client(ministack.endpoint, "dynamodb"), {f"field {number}": "x" * 150 for number in range(20)}
    meter = Meter(client)
    stage = real_stage(ministack, without_counters(BUNDLED), client)
    for number in range(1, 12):
        phase = "members" if number > 7 else "first"
        with meter.counting(phase):
            handle(stage, record({**REFUSED, **long, "id": str(number)}, {**PAID, "id": str(number)}, number))
    assert (meter.units["members"].writes, dict(meter.units["members"].calls)) == (4, {"PutItem": 4})


def test_fallback_for_a_failed_template_still_says_what_changed(stage: Stage) -> None:
    rendered = stage.deliverer.renderer.render(
        "gone", channel=Channel.SMS, event=event_of(record(REFUSED, PAID)), rule="refused", person=stage.settings.people["asha"]
    )
    assert (rendered.message.text, bool(rendered.problem)) == ("acme-drops: orders 17: updated (status)", True)


def test_poison_record_is_parked_and_blocks_nothing(stage: Stage) -> None:
    poison = {**record(PAID, number=2), "eventName": "EXPLODE"}
    assert handle(stage, poison, record(REFUSED, PAID)) == []
    assert len(stage.mail.accepted) == 2  # the order's, and the owner's about the parked record
    assert handle(stage, poison) == []


def test_parked_record_is_sent_once_when_it_can_be_parsed(stage: Stage) -> None:
    handle(stage, {**record(REFUSED, PAID), "eventName": "EXPLODE"})
    (parked,) = (row for row in stage.all_rows() if isinstance(row, Parked))
    with pytest.raises(ResendError, match="still cannot be parsed"):
        redrive(stage.bot.intake, parked, "asha")
    repaired = replace(parked, payload=parked.payload.replace(b"EXPLODE", b"MODIFY"))
    assert redrive(stage.bot.intake, repaired, "asha") == "parsed: 2 deliveries due now"
    assert handle(stage, record(REFUSED, PAID)) == []
    stage.sweep()
    assert len(stage.text.accepted) == 1


def bisect(stage: Stage, batch: list[dict[str, Any]]) -> None:
    """Deliver a batch as Lambda does: again from the lowest failed record on, in halves as long as it fails."""
    while batch:
        failed = handle(stage, *batch)
        if not failed:
            return
        numbers = [change["dynamodb"]["SequenceNumber"] for change in batch]
        rest = batch[min(numbers.index(number) for number in failed) :]
        half = (len(rest) + 1) // 2
        bisect(stage, rest[:half]) if len(rest) > 1 else None
        batch = rest[half:] if len(rest) > 1 else rest


@given(some.integers(1, 12), some.sets(some.integers(0, 40)))
def test_redelivered_and_bisected_batches_send_each_change_once(count: int, outages: set[int]) -> None:
    stage = stage_without_counters()
    insert, calls = stage.ledger.insert, []

    def fails_sometimes(row: Any, *limits: Any) -> Any:
        calls.append(row)
        if len(calls) in outages:
            raise ConnectionError("out of reach")
        return insert(row, *limits)

    stage.ledger.insert = fails_sometimes
    numbers = range(1, count + 1)
    bisect(stage, refused_orders(*numbers))
    bisect(stage, refused_orders(*numbers))
    assert sorted(accepted.message.text.split(" ")[2] for accepted in stage.text.accepted) == sorted(map(str, numbers))
    assert len(stage.mail.accepted) == count


def test_failed_record_is_delivered_again_and_the_others_are_not_sent_twice(stage: Stage) -> None:
    insert, calls = stage.ledger.insert, []

    def fails_once(row: Any, *limits: Any) -> Any:
        calls.append(row)
        if len(calls) == 3:
            raise ConnectionError("out of reach")
        return insert(row, *limits)

    stage.ledger.insert = fails_once
    batch = refused_orders(1, 2, 3)
    (failed,) = handle(stage, *batch)
    assert failed == batch[1]["dynamodb"]["SequenceNumber"]
    assert handle(stage, *batch[1:]) == []
    assert len(stage.text.accepted) == len(stage.mail.accepted) == 3


@pytest.mark.parametrize(
    ("view", "conditions"), [("NEW_IMAGE", ["changed"]), ("KEYS_ONLY", ["changed", "new"]), ("NEW_AND_OLD_IMAGES", [])]
)
def test_stream_without_the_needed_images_is_logged_once_per_batch(
    stage: Stage, view: str, conditions: list[str], logged: LogLines
) -> None:
    batch = [record(REFUSED, PAID, number) for number in (1, 2)]
    for change in batch:
        change["dynamodb"]["StreamViewType"] = view
        for image in {"OldImage", "NewImage"} if view == "KEYS_ONLY" else {"OldImage"} if view == "NEW_IMAGE" else ():
            del change["dynamodb"][image]
    handle(stage, *batch)
    warnings = logged.of("no-images")
    expected = [("refused", view, conditions)] if conditions else []
    assert [(warning["rule"], warning["view"], warning["never_hold"]) for warning in warnings] == expected
    assert bool(stage.mail.accepted) is not bool(conditions)


def test_counters_are_exact(ministack: MiniStack) -> None:
    stage = real_stage(ministack, settings())
    client = ministack.client("dynamodb")
    now = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)  # the emulator deletes items older than their ttl
    at = now.timestamp()
    changes = [record({**PAID, "id": str(n), "status": "paid" if n % 3 else "open"}, number=n, at=at) for n in range(60)]
    for batch in (changes[:40], changes[20:], changes[50:]):
        assert handle(stage, *batch, counters=lambda *_, **__: client) == []
    counters, day = Counters(client, "dropnote-prod-counters"), timedelta(days=1)
    assert {cell.value: cell.n for cell in counters.read("orders by status", "day", now, now + day)} == {"open": 20, "paid": 40}
    sums = {cell.value: cell.n for cell in counters.read("sum total of sales by status", "day", now, now + day)}
    assert sums == {"open": 2400, "paid": 4800}
