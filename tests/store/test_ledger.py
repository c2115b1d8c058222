"""The ledger's guarantees, on a real table and in memory: both behave the same."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.delivery import Delivery, DeliveryError, Reason, Receipt, State
from chalicelib.domain.event import UnknownPayload
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.policy.controls import SuppressedAddress
from chalicelib.store.control import Control, TableStore
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, an_upload
from tests.support.memory import MemoryStore
from tests.support.stages import TABLE
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

LEASE = timedelta(minutes=2)


def a_claim(number: int = 1, at: datetime = NOON, token: str = "mine") -> Delivery:
    return Delivery(
        id=f"{number:032x}", event=an_upload(f"in/{number}.pdf"), rule="uploads", person="asha", channel=Channel.SMS,
        created_at=at, expires_at=at + timedelta(hours=24), claim=token, due_at=at + LEASE, body_hash="0123456789abcdef",
    )  # fmt: skip


def a_retry(number: int, at: datetime, due_at: datetime) -> tuple[Delivery, Delivery]:
    claim = a_claim(number, at)
    error = DeliveryError(Reason.UNREACHABLE, "no connection", retry_after=due_at - at)
    return claim, outcome.record_failed_attempt(claim, error, at, lambda: 0.0, timedelta(minutes=1), None)


def inserted(ledger: Any, delivery: Delivery) -> bool:
    """Insert a delivery; returns whether it is the stored row."""
    stored = ledger.insert(delivery)
    return bool((stored.claim, stored.state) == (delivery.claim, delivery.state))


def test_first_insert_wins_and_the_row_is_read_back_unchanged(ledger: Any) -> None:
    assert inserted(ledger, a_claim())
    assert not inserted(ledger, a_claim(token="yours"))
    assert ledger.get(a_claim().id) == a_claim()
    assert ledger.get("f" * 32) is None


def test_own_insert_whose_response_was_lost_counts_as_inserted(ledger: Any) -> None:
    assert inserted(ledger, a_claim())
    assert inserted(ledger, a_claim())  # botocore repeats the call and finds its own row


def test_own_transition_whose_response_was_lost_counts_as_made(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    sent = outcome.mark_sent(claim, Receipt("SM1"), NOON)
    assert (ledger.transition(claim, sent), ledger.transition(claim, sent)) == (True, True)
    assert ledger.get(claim.id) == sent


def test_only_one_of_two_sweepers_makes_a_transition(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    lapsed = outcome.lapse_lease(claim, NOON + LEASE, timedelta(minutes=1))
    first, second = replace(lapsed, claim="first"), replace(lapsed, claim="second")
    assert (ledger.transition(claim, first), ledger.transition(claim, second)) == (True, False)


def test_holder_makes_no_transition_after_a_sweeper(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    ledger.transition(claim, replace(outcome.lapse_lease(claim, NOON + LEASE, timedelta(minutes=1)), claim="sweeper"))
    assert not ledger.transition(claim, outcome.mark_sent(claim, Receipt("SM1"), NOON))


def test_impossible_transitions_and_initial_states_are_refused(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    sent = outcome.mark_sent(claim, Receipt("SM1"), NOON)
    ledger.transition(claim, sent)
    with pytest.raises(ValueError, match="no transition from sent to claimed"):
        ledger.transition(sent, outcome.claim(sent, "t", NOON, LEASE, ""))
    with pytest.raises(ValueError, match="a delivery cannot start as sent"):
        ledger.insert(sent)


def waiting(ledger: Any, now: datetime, page: int = 100) -> list[Delivery]:
    """The due rows of all queues, oldest first, read in pages of each shard."""
    rows: list[Delivery] = []
    for queue in ledger.queues.read().queues:
        for shard in range(queue.shards):
            found, cursor = ledger.queues.page(queue.id, shard, now, page)
            while found:
                assert len(found) <= page
                rows += found
                found, cursor = ledger.queues.page(queue.id, shard, now, page, cursor)
    return sorted(rows, key=lambda row: row.due_at or now)


def test_queues_return_waiting_rows_oldest_first_and_no_finished_ones(ledger: Any) -> None:
    for number in range(1, 31):
        claim, retry = a_retry(number, NOON, NOON + timedelta(minutes=number))
        ledger.insert(claim)
        ledger.transition(claim, retry if number % 3 else outcome.mark_sent(claim, Receipt(f"SM{number}"), NOON))
    due = waiting(ledger, NOON + timedelta(minutes=20), page=2)
    assert [int(row.id, 16) for row in due] == [number for number in range(1, 21) if number % 3]
    assert waiting(ledger, NOON) == []
    assert list(ledger.due(NOON + timedelta(minutes=20))) == []  # they are in a queue


def test_due_reads_several_pages(ledger: Any) -> None:
    for number in range(1, 251):
        ledger.insert(a_claim(number, NOON + timedelta(seconds=number)))
    due = list(ledger.due(NOON + timedelta(hours=1)))
    assert [int(row.id, 16) for row in due] == list(range(1, 251))


def test_newest_reads_across_midnight(ledger: Any) -> None:
    times = [NOON + timedelta(hours=5 * number) for number in range(8)]
    for number, at in enumerate(times, start=1):
        ledger.insert(a_claim(number, at))
    ledger.park(Parked.of(UnknownPayload("s3", "missing 'Records'", {"odd": 1}), NOON + timedelta(hours=6)))
    rows = ledger.newest(NOON + timedelta(hours=5), NOON + timedelta(hours=30))
    assert [row.created_at for row in rows] == [*times[6:1:-1], NOON + timedelta(hours=6), times[1]]


def test_deliveries_with_the_same_body_are_found(ledger: Any) -> None:
    for number in range(1, 5):
        claim = replace(a_claim(number, NOON + timedelta(minutes=number)), body_hash="same" if number % 2 else "other")
        ledger.insert(claim)
        ledger.transition(claim, outcome.mark_sent(claim, Receipt(f"SM{number}"), NOON))
    rows = list(ledger.with_body("same", NOON, NOON + timedelta(hours=1)))
    assert [row.receipt for row in rows] == ["SM3", "SM1"]
    assert list(ledger.with_body("same", NOON, NOON + timedelta(seconds=10))) == []


def test_receipt_belongs_to_one_delivery(ledger: Any) -> None:
    assert ledger.claim_receipt("SM1", "a", NOON)
    assert ledger.claim_receipt("SM1", "a", NOON)
    assert not ledger.claim_receipt("SM1", "b", NOON)


def test_payload_is_parked_once_and_redriven(ledger: Any) -> None:
    parked = Parked.of(UnknownPayload("s3", "missing 'Records'", {"odd": 1}), NOON)
    assert (ledger.park(parked), ledger.park(replace(parked, created_at=NOON + LEASE))) == (True, False)
    ledger.mark_redriven(replace(parked, redriven_at=NOON + LEASE))
    assert ledger.get_parked(parked.id) == replace(parked, redriven_at=NOON + LEASE)
    assert ledger.get_parked("f" * 32) is None


def test_steps_of_a_delivery_are_stored(ledger: Any) -> None:
    claim, retry = a_retry(1, NOON, NOON + timedelta(minutes=1))
    claimed_again = outcome.claim(retry, "again", NOON + timedelta(minutes=1), LEASE, "fedcba9876543210")
    sent = outcome.mark_sent(claimed_again, Receipt("SM1"), NOON + timedelta(minutes=1))
    ledger.insert(claim)
    for old, new in ((claim, retry), (retry, claimed_again), (claimed_again, sent)):
        ledger.transition(old, new)
    row = ledger.get(claim.id)
    assert [(step.state, step.reason, step.detail) for step in row.steps] == [
        (State.RETRY, Reason.UNREACHABLE, "no connection"),
        (State.CLAIMED, Reason.DUE, ""),
        (State.SENT, Reason.ACCEPTED, ""),
    ]
    assert row == sent


@pytest.fixture(params=["table", "memory"])
def control(request: pytest.FixtureRequest) -> Control:
    if request.param == "memory":
        return Control(MemoryStore(), lambda: NOON)
    ministack: MiniStack = request.getfixturevalue("ministack")
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return Control(TableStore(ministack.client("dynamodb"), TABLE), lambda: NOON)


def test_control_item_stores_and_removes(control: Control) -> None:
    address = SuppressedAddress("asha", Channel.SMS, Reason.OPTED_OUT, NOON)
    assert control.now().suppressed == {}
    control.suppress("a", address)
    control.suppress("b", address)
    control.unsuppress("a")
    control.unsuppress("never-there")
    control.record_backfill("acme-drops", NOON)
    assert (control.now().suppressed, control.now().backfilled_until) == ({"b": address}, {"acme-drops": NOON})
