"""The queues' registry and leases, on a real table and in memory: both behave the same."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.people import Channel
from chalicelib.store.ledger import Ledger
from chalicelib.store.queues import FORGET_AFTER, REGISTER_INTERVAL, Cursor, Lease
from tests.support.builders import NOON, an_upload
from tests.support.memory import MemoryLedger
from tests.support.stages import TABLE
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["table", "memory"])
def make_ledger(request: pytest.FixtureRequest) -> Iterator[Callable[[], Any]]:
    """Returns a ledger of another container, on the same table."""
    if request.param == "memory":
        ledger = MemoryLedger()
        yield lambda: ledger
        return
    ministack: MiniStack = request.getfixturevalue("ministack")
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    yield lambda: Ledger(ministack.client("dynamodb"), TABLE)


def held(
    number: int, minutes: float = 0, rule: str = "uploads", channel: Channel = Channel.SMS, *, urgent: bool = False
) -> Delivery:
    at = NOON + minutes * MINUTE
    event = an_upload(f"in/{number}.pdf")
    return Delivery(
        id=f"{number:04x}{number:028x}", event=replace(event, urgent=urgent), rule=rule, person="asha", channel=channel,
        created_at=at, expires_at=at + timedelta(hours=24), state=State.HELD, reason=Reason.WAITING, claim="mine", due_at=at,
    )  # fmt: skip


def test_each_channel_urgency_and_rule_has_a_queue(make_ledger: Callable[[], Any]) -> None:
    ledger = make_ledger()
    variants: tuple[dict[str, Any], ...] = ({}, {"rule": "other"}, {"channel": Channel.EMAIL}, {"urgent": True}, {})
    for number, options in enumerate(variants):
        ledger.insert(held(number, **options))
    queues = ledger.queues.read().queues
    assert {(queue.rule, queue.lane, queue.urgent) for queue in queues} == {
        ("uploads", Channel.SMS, False), ("other", Channel.SMS, False),
        ("uploads", Channel.EMAIL, False), ("uploads", Channel.SMS, True),
    }  # fmt: skip
    assert {(queue.shards, queue.used_at) for queue in queues} == {(4, NOON)}


def test_webhooks_have_queues_of_their_own(make_ledger: Callable[[], Any]) -> None:
    ledger = make_ledger()
    for number, person in enumerate(("ops-room", "chat", "ops-room")):
        ledger.insert(replace(held(number, channel=Channel.WEBHOOK), person=person))
    assert {queue.lane for queue in ledger.queues.read().queues} == {"webhook:ops-room", "webhook:chat"}


def test_earlier_version_can_read_the_queue_of_a_webhook_and_this_one_that_of_an_earlier_version(ministack: MiniStack) -> None:
    """An earlier version stops at a word in `channel` that it does not know, and writes no `lane`."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = ministack.client("dynamodb")
    ledger = Ledger(client, TABLE)
    ledger.insert(held(1, channel=Channel.WEBHOOK))
    key = {":pk": {"S": "queues"}}
    (item,) = client.query(TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=key)["Items"]
    assert (item["channel"]["S"], item["lane"]["S"]) == ("email", "webhook:asha")
    del item["lane"]
    client.put_item(TableName=TABLE, Item={**item, "channel": {"S": "sms"}})
    assert [queue.lane for queue in ledger.queues.read().queues] == ["sms"]


def test_queue_is_registered_again_after_half_an_hour(make_ledger: Callable[[], Any]) -> None:
    ledger = make_ledger()
    for minutes in (0, 29, 31):
        ledger.insert(held(minutes, minutes))
    (queue,) = ledger.queues.read().queues
    assert queue.used_at == NOON + 31 * MINUTE
    assert FORGET_AFTER >= 2 * REGISTER_INTERVAL


def test_queue_in_use_or_with_rows_is_not_forgotten(make_ledger: Callable[[], Any]) -> None:
    ledger = make_ledger()
    ledger.insert(held(1))
    (queue,) = ledger.queues.read().queues
    assert not ledger.queues.forget(queue, NOON + 2 * FORGET_AFTER)  # it has a row
    ledger.transition(held(1), replace(held(1), state=State.DROPPED, due_at=None))
    assert not ledger.queues.forget(queue, NOON + FORGET_AFTER / 2)
    make_ledger().insert(held(2, 61))  # another container uses it
    ledger.transition(held(2, 61), replace(held(2, 61), state=State.DROPPED, due_at=None))
    assert not ledger.queues.forget(queue, NOON + 2 * FORGET_AFTER)
    (queue,) = ledger.queues.read().queues
    assert ledger.queues.forget(queue, NOON + 4 * FORGET_AFTER)
    assert ledger.queues.read().queues == ()


def test_pages_continue_after_their_cursor(make_ledger: Callable[[], Any]) -> None:
    ledger = make_ledger()
    for number in range(0, 40, 4):  # all in shard 0
        ledger.insert(held(number, number))
    (queue,) = ledger.queues.read().queues
    now, numbers, cursor = NOON + 30 * MINUTE, list[int](), None
    while True:
        rows, after = ledger.queues.page(queue.id, 0, now, 3, cursor)
        if after == cursor:
            break
        numbers, cursor = [*numbers, *(int(row.id[:4], 16) for row in rows)], after
    assert numbers == list(range(0, 31, 4))
    assert isinstance(cursor, Cursor)


def test_one_sweep_has_the_lease_of_a_shard(make_ledger: Callable[[], Any]) -> None:
    queues = make_ledger().queues
    lease = Lease(2, "first", NOON + MINUTE)
    assert queues.acquire(lease, NOON)
    assert queues.acquire(lease, NOON)  # repeated by botocore
    assert not queues.acquire(Lease(2, "second", NOON + 2 * MINUTE), NOON)
    assert queues.acquire(Lease(3, "second", NOON + MINUTE), NOON)
    queues.release(lease, NOON)
    assert queues.acquire(Lease(2, "second", NOON + MINUTE), NOON)
    queues.release(lease, NOON)  # it belongs to another now
    assert queues.read().leases[2] == Lease(2, "second", NOON + MINUTE)
    assert queues.acquire(Lease(2, "third", NOON + 3 * MINUTE), NOON + MINUTE)  # it has ended


def test_temporary_lease_gives_way_only_to_one_that_is_not(make_ledger: Callable[[], Any]) -> None:
    queues = make_ledger().queues
    assert queues.acquire(Lease(0, "first", NOON + MINUTE, is_temporary=True), NOON)
    assert not queues.acquire(Lease(0, "second", NOON + MINUTE, is_temporary=True), NOON)
    assert queues.acquire(Lease(0, "third", NOON + MINUTE), NOON)
    assert not queues.acquire(Lease(0, "first", NOON + MINUTE, is_temporary=True), NOON)
