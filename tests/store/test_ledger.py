"""The ledger: each promise it makes, on a real table and, to prove that one equal, in memory."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.delivery import Delivery, DeliveryError, Reason, Receipt, State
from chalicelib.domain.event import Unknown
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.policy.controls import SuppressedAddress
from chalicelib.store.control import Control, TableStore
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, an_upload
from tests.support.memory import MemoryLedger, MemoryStore
from tests.support.stages import TABLE
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

LEASE = timedelta(minutes=2)


@pytest.fixture(params=["table", "memory"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    ministack: MiniStack = request.getfixturevalue("ministack")
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    yield Ledger(ministack.client("dynamodb"), TABLE)


def a_claim(number: int = 1, at: datetime = NOON, token: str = "mine") -> Delivery:
    return Delivery(
        id=f"{number:032x}", event=an_upload(f"in/{number}.pdf"), rule="uploads", person="asha", channel=Channel.SMS,
        created_at=at, expires_at=at + timedelta(hours=24), claim=token, due_at=at + LEASE, body_hash="0123456789abcdef",
    )  # fmt: skip


def a_retry(number: int, at: datetime, due_at: datetime) -> tuple[Delivery, Delivery]:
    claim = a_claim(number, at)
    error = DeliveryError(Reason.UNREACHABLE, "no connection", retry_after=due_at - at)
    return claim, outcome.not_sent(claim, error, at, lambda: 0.0, timedelta(minutes=1), None)


def inserted(ledger: Any, delivery: Delivery) -> bool:
    """Whether a delivery is what is kept of it: nobody has written it before."""
    there = ledger.insert(delivery)
    return bool((there.claim, there.state) == (delivery.claim, delivery.state))


def test_first_insert_wins_and_the_row_is_what_was_written(ledger: Any) -> None:
    assert inserted(ledger, a_claim())
    assert not inserted(ledger, a_claim(token="yours"))
    assert ledger.get(a_claim().id) == a_claim()
    assert ledger.get("f" * 32) is None


def test_own_insert_whose_answer_was_lost_counts_as_done(ledger: Any) -> None:
    assert inserted(ledger, a_claim())
    assert inserted(ledger, a_claim())  # botocore repeats the call, and finds what it wrote


def test_own_move_whose_answer_was_lost_counts_as_done(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    sent = outcome.sent(claim, Receipt("SM1"), NOON)
    assert (ledger.transition(claim, sent), ledger.transition(claim, sent)) == (True, True)
    assert ledger.get(claim.id) == sent


def test_of_two_sweepers_one_moves(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    lapsed = outcome.lapsed(claim, NOON + LEASE, timedelta(minutes=1))
    first, second = replace(lapsed, claim="first"), replace(lapsed, claim="second")
    assert (ledger.transition(claim, first), ledger.transition(claim, second)) == (True, False)


def test_of_a_sweeper_and_the_holder_one_moves(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    ledger.transition(claim, replace(outcome.lapsed(claim, NOON + LEASE, timedelta(minutes=1)), claim="sweeper"))
    assert not ledger.transition(claim, outcome.sent(claim, Receipt("SM1"), NOON))


def test_no_arrow_leads_back_and_no_row_is_born_finished(ledger: Any) -> None:
    claim = a_claim()
    ledger.insert(claim)
    sent = outcome.sent(claim, Receipt("SM1"), NOON)
    ledger.transition(claim, sent)
    with pytest.raises(ValueError, match="no arrow leads from sent to claimed"):
        ledger.transition(sent, outcome.claimed(sent, "t", NOON, LEASE, ""))
    with pytest.raises(ValueError, match="no delivery begins as sent"):
        ledger.insert(sent)


def test_due_has_what_waits_oldest_first_and_nothing_finished(ledger: Any) -> None:
    for number in range(1, 31):
        claim, retry = a_retry(number, NOON, NOON + timedelta(minutes=number))
        ledger.insert(claim)
        ledger.transition(claim, retry if number % 3 else outcome.sent(claim, Receipt(f"SM{number}"), NOON))
    due = list(ledger.due(NOON + timedelta(minutes=20)))
    assert [int(row.id, 16) for row in due] == [number for number in range(1, 21) if number % 3]
    assert list(ledger.due(NOON)) == []


def test_due_reads_on_past_a_page(ledger: Any) -> None:
    for number in range(1, 251):
        ledger.insert(a_claim(number, NOON + timedelta(seconds=number)))
    due = list(ledger.due(NOON + timedelta(hours=1)))
    assert [int(row.id, 16) for row in due] == list(range(1, 251))


def test_newest_goes_back_over_midnight(ledger: Any) -> None:
    times = [NOON + timedelta(hours=5 * number) for number in range(8)]
    for number, at in enumerate(times, start=1):
        ledger.insert(a_claim(number, at))
    ledger.park(Parked.of(Unknown("s3", "it has no Records", {"odd": 1}), NOON + timedelta(hours=6)))
    found = ledger.newest(NOON + timedelta(hours=5), NOON + timedelta(hours=30))
    assert [row.created_at for row in found] == [*times[6:1:-1], NOON + timedelta(hours=6), times[1]]


def test_deliveries_with_the_same_words_are_found(ledger: Any) -> None:
    for number in range(1, 5):
        claim = replace(a_claim(number, NOON + timedelta(minutes=number)), body_hash="same" if number % 2 else "other")
        ledger.insert(claim)
        ledger.transition(claim, outcome.sent(claim, Receipt(f"SM{number}"), NOON))
    found = list(ledger.with_words("same", NOON, NOON + timedelta(hours=1)))
    assert [row.receipt for row in found] == ["SM3", "SM1"]
    assert list(ledger.with_words("same", NOON, NOON + timedelta(seconds=10))) == []


def test_receipt_belongs_to_one_delivery(ledger: Any) -> None:
    assert ledger.adopt("SM1", "a", NOON)
    assert ledger.adopt("SM1", "a", NOON)
    assert not ledger.adopt("SM1", "b", NOON)


def test_payload_is_parked_once_and_redriven(ledger: Any) -> None:
    parked = Parked.of(Unknown("s3", "it has no Records", {"odd": 1}), NOON)
    assert (ledger.park(parked), ledger.park(replace(parked, created_at=NOON + LEASE))) == (True, False)
    ledger.redriven(replace(parked, redriven_at=NOON + LEASE))
    assert ledger.parked(parked.id) == replace(parked, redriven_at=NOON + LEASE)
    assert ledger.parked("f" * 32) is None


def test_story_of_a_delivery_is_kept(ledger: Any) -> None:
    claim, retry = a_retry(1, NOON, NOON + timedelta(minutes=1))
    again = outcome.claimed(retry, "again", NOON + timedelta(minutes=1), LEASE, "fedcba9876543210")
    sent = outcome.sent(again, Receipt("SM1"), NOON + timedelta(minutes=1))
    ledger.insert(claim)
    for old, new in ((claim, retry), (retry, again), (again, sent)):
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


def test_control_remembers_and_forgets(control: Control) -> None:
    dead = SuppressedAddress("asha", Channel.SMS, Reason.OPTED_OUT, NOON)
    assert control.now().dead == {}
    control.suppress("a", dead)
    control.suppress("b", dead)
    control.unsuppress("a")
    control.unsuppress("never-there")
    control.record_backfill("acme-drops", NOON)
    assert (control.now().dead, control.now().backfilled_until) == ({"b": dead}, {"acme-drops": NOON})
