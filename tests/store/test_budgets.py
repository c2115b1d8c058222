"""Reservations, on a real table and in memory: both take, refuse and release the same, in the transaction that writes the row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace

from chalicelib.domain.budget import ExhaustedBudget, Limit, ScopeLimits, Usage
from chalicelib.domain.delivery import Delivery, DeliveryError, OutcomeUnknown, Reason, Receipt, State
from chalicelib.policy import outcome
from chalicelib.policy.budget import ALL, parse_limit, period_of
from chalicelib.store.budgets import BudgetsBusy, OverBudget
from tests.support.builders import NOON
from tests.support.stages import real_ledger
from tests.support.streams import a_delivery
from workbench.local.ministack import MiniStack

ASHA = "person asha"
HOURLY, DAILY, SEGMENTS = (parse_limit(text) for text in ("3 per hour", "5 per day", "6 segments per day"))
LIMITS: ScopeLimits = {ASHA: (HOURLY, DAILY, SEGMENTS), ALL: (parse_limit("4 per hour"),)}
MINUTE = timedelta(minutes=1)


def a_text(name: str, hours: float = 0, segments: int = 1, scopes: tuple[str, ...] = (ASHA,)) -> Delivery:
    at = NOON + timedelta(hours=hours)
    delivery = replace(a_delivery(name, at, segments=segments), claim=name, due_at=at + 2 * MINUTE)
    return outcome.reserve(delivery, scopes, at)


def exhausted(ledger: Any, delivery: Delivery, limits: ScopeLimits = LIMITS) -> ExhaustedBudget:
    with pytest.raises(OverBudget) as caught:
        ledger.insert(delivery, limits)
    assert ledger.get(delivery.id) is None
    return caught.value.budget


def an_exhausted(limit: Limit, scope: str = ASHA) -> ExhaustedBudget:
    return ExhaustedBudget(scope, limit, *period_of(limit.per, NOON))


def rejected(delivery: Delivery, error: DeliveryError | None = None) -> Delivery:
    error = error or DeliveryError(Reason.UNREACHABLE, "no connection")
    return outcome.record_failed_attempt(delivery, error, delivery.created_at, lambda: 0.0, MINUTE, None)


def test_inserted_row_takes_one_message_and_its_segments_from_every_scope(ledger: Any) -> None:
    ledger.insert(a_text("a", segments=2, scopes=(ASHA, ALL)), LIMITS)
    ledger.insert(a_text("b", segments=0), LIMITS)
    assert ledger.usage(ASHA, NOON) == Usage(messages=2, segments=2, in_hour=2)
    assert ledger.usage(ALL, NOON) == Usage(messages=1, segments=2, in_hour=1)
    assert ledger.usage(ASHA, NOON + timedelta(hours=1)) == Usage(2, 2, 0)
    assert ledger.usage(ASHA, NOON + timedelta(days=1)) == Usage()
    (entry,) = ledger.get(a_text("a").id).reserved
    assert (entry.at, entry.scopes, entry.segments) == (NOON, (ASHA, ALL), 2)


@pytest.mark.parametrize(
    ("before", "late", "expected"),
    [
        ([0, 0, 0], a_text("x"), an_exhausted(HOURLY)),
        ([-3, -3, -2, -2, -1], a_text("x"), an_exhausted(DAILY)),
        ([-2, -2, 0, 0, 0], a_text("x"), an_exhausted(DAILY)),  # of several the one that ends last
        ([0, 0], a_text("x", segments=5), an_exhausted(SEGMENTS)),
    ],
)
def test_message_that_does_not_fit_is_refused_and_writes_nothing(
    ledger: Any, before: list[int], late: Delivery, expected: ExhaustedBudget
) -> None:
    for number, hours in enumerate(before):
        ledger.insert(a_text(f"before {number}", hours), LIMITS)
    used = ledger.usage(ASHA, NOON)
    assert exhausted(ledger, late) == expected
    assert ledger.usage(ASHA, NOON) == used


def test_limit_is_used_to_its_last_segment(ledger: Any) -> None:
    ledger.insert(a_text("a", segments=4), LIMITS)
    assert exhausted(ledger, a_text("b", segments=3)) == an_exhausted(SEGMENTS)
    ledger.insert(a_text("c", segments=2), LIMITS)
    ledger.insert(a_text("mail", segments=0), LIMITS)  # has no segments
    assert ledger.usage(ASHA, NOON) == Usage(3, 6, 3)


def test_scope_that_is_exhausted_takes_nothing_from_the_others(ledger: Any) -> None:
    for number in range(4):
        ledger.insert(a_text(f"ben {number}", scopes=(ALL,)), LIMITS)
    assert exhausted(ledger, a_text("x", scopes=(ASHA, ALL))).scope == ALL
    assert ledger.usage(ASHA, NOON) == Usage()


def test_message_larger_than_a_limit_never_fits(ledger: Any) -> None:
    assert exhausted(ledger, a_text("x", segments=7)) == an_exhausted(SEGMENTS)


def test_lowered_limit_blocks_texts_and_not_the_mails_that_it_does_not_count(ledger: Any) -> None:
    ledger.insert(a_text("a", segments=6), LIMITS)
    lowered = {ASHA: (parse_limit("2 segments per day"),)}
    assert exhausted(ledger, a_text("b"), lowered).limit.amount == 2
    ledger.insert(a_text("mail", segments=0), lowered)


def test_message_without_limits_is_taken_unconditionally(ledger: Any) -> None:
    for number in range(5):
        ledger.insert(a_text(f"test {number}", segments=9))
    assert ledger.usage(ASHA, NOON) == Usage(5, 45, 5)


def test_event_that_comes_again_takes_nothing_even_over_budget(ledger: Any) -> None:
    for number in range(3):
        ledger.insert(a_text(f"{number}"), LIMITS)
    assert ledger.insert(replace(a_text("2"), claim="another"), LIMITS).claim == "2"
    assert ledger.insert(a_text("2"), LIMITS).claim == "2"  # its own write, repeated by botocore
    assert ledger.usage(ASHA, NOON) == Usage(3, 3, 3)


def test_surely_not_accepted_message_gives_back_what_it_took(ledger: Any) -> None:
    for error in (DeliveryError(Reason.UNREACHABLE, "no connection"), DeliveryError(Reason.REFUSED, "no", permanent=True)):
        text = a_text(error.reason, segments=2)
        ledger.insert(text, LIMITS)
        assert ledger.transition(text, rejected(text, error))
        assert ledger.get(text.id).reserved == ()
        assert ledger.usage(ASHA, NOON) == Usage()


@pytest.mark.parametrize("policy", ["resend", "give-up"])
def test_message_that_may_have_been_accepted_keeps_what_it_took(ledger: Any, policy: outcome.Policy) -> None:
    text = a_text("a", segments=2)
    unknown = rejected(text, OutcomeUnknown(Reason.TIMEOUT, "no response"))
    after = outcome.apply_unknown_policy(unknown, NOON + MINUTE, policy)
    ledger.insert(text, LIMITS)
    assert all(ledger.transition(old, new) for old, new in ((text, unknown), (unknown, after)))
    assert ledger.usage(ASHA, NOON) == Usage(1, 2, 1)


def test_message_that_is_sent_again_takes_again_and_releases_only_that(ledger: Any) -> None:
    text = a_text("a", segments=2)
    unknown = rejected(text, OutcomeUnknown(Reason.TIMEOUT, "no response"))
    resent = outcome.apply_unknown_policy(unknown, NOON + MINUTE, "resend")
    again = outcome.reserve(outcome.claim(resent, "again", NOON + MINUTE, MINUTE, ""), (ASHA,), NOON + MINUTE)
    ledger.insert(text, LIMITS)
    assert all(ledger.transition(old, new, LIMITS) for old, new in ((text, unknown), (unknown, resent), (resent, again)))
    assert ledger.usage(ASHA, NOON) == Usage(2, 4, 2)
    assert ledger.transition(again, rejected(again))
    assert ledger.usage(ASHA, NOON) == Usage(1, 2, 1)


def test_message_that_the_providers_list_lacks_gives_back_what_it_took(ledger: Any) -> None:
    text = a_text("a", segments=2)
    unknown = rejected(text, OutcomeUnknown(Reason.TIMEOUT, "no response"))
    retry = outcome.mark_not_found(outcome.mark_not_found(unknown, NOON, MINUTE, "resend"), NOON, MINUTE, "resend")
    ledger.insert(text, LIMITS)
    assert retry.state is State.RETRY
    assert all(ledger.transition(old, new) for old, new in ((text, unknown), (unknown, replace(retry, claim=unknown.claim))))
    assert ledger.usage(ASHA, NOON) == Usage()


def test_retry_takes_from_the_hour_it_is_claimed_in_and_is_refused_if_that_is_exhausted(ledger: Any) -> None:
    text = a_text("a")
    retry, later = rejected(text), NOON + timedelta(hours=1)
    ledger.insert(text, LIMITS)
    ledger.transition(text, retry)
    claimed = outcome.reserve(outcome.claim(retry, "sweep", later, MINUTE, ""), (ASHA,), later)
    for number in range(3):
        ledger.insert(a_text(f"{number}", hours=1), LIMITS)
    with pytest.raises(OverBudget) as caught:
        ledger.transition(retry, claimed, LIMITS)
    assert caught.value.budget == ExhaustedBudget(ASHA, HOURLY, *period_of("hour", later))
    assert ledger.get(text.id) == retry
    next_hour = later + timedelta(hours=1)
    claimed = outcome.reserve(outcome.claim(retry, "sweep", next_hour, MINUTE, ""), (ASHA,), next_hour)
    assert ledger.transition(retry, claimed, LIMITS)
    assert ledger.transition(retry, claimed, LIMITS)  # its own write, repeated by botocore
    assert not ledger.transition(retry, replace(claimed, claim="another"), LIMITS)
    assert ledger.usage(ASHA, next_hour) == Usage(4, 4, 1)


def test_sent_message_keeps_what_it_took(ledger: Any) -> None:
    text = a_text("a", segments=2)
    ledger.insert(text, LIMITS)
    ledger.transition(text, outcome.mark_sent(text, Receipt("SM1"), NOON + timedelta(hours=2)))
    assert ledger.usage(ASHA, NOON) == Usage(1, 2, 1)


# -- transactions that meet others, which MiniStack does not simulate ----------------------------------------------------------


class Conflicting:
    """A client whose first writes meet another transaction that is writing the same items."""

    def __init__(self, client: Any, conflicts: int, codes: tuple[str, ...] = ("None", "TransactionConflict")) -> None:
        self._client, self.conflicts, self._codes = client, conflicts, codes

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return {"transact_write_items": self._transact(call), "update_item": self._update(call)}.get(name, call)

    def _transact(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def transact(**request: Any) -> Any:
            self.conflicts -= 1
            if self.conflicts >= 0:
                reasons = [{"Code": code} for code in self._codes]
                response: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
                raise ClientError(response, "TransactWriteItems")
            return call(**request)

        return transact

    def _update(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def update(**request: Any) -> Any:
            is_row = request["Key"]["sk"]["S"] == "delivery"
            self.conflicts -= is_row
            if is_row and self.conflicts >= 0:
                raise ClientError({"Error": {"Code": "TransactionConflictException"}}, "UpdateItem")
            return call(**request)

        return update


@pytest.mark.parametrize("codes", [("None", "TransactionConflict"), ("TransactionConflict", "None"), ("None", "ThrottlingError")])
def test_write_that_meets_another_transaction_is_repeated(ministack: MiniStack, codes: tuple[str, ...]) -> None:
    client = Conflicting(ministack.client("dynamodb"), 5, codes)
    ledger = real_ledger(ministack, client)
    text = a_text("a")
    ledger.insert(text, LIMITS)
    client.conflicts = 5
    assert ledger.transition(text, outcome.mark_sent(text, Receipt("SM1"), NOON))
    assert ledger.usage(ASHA, NOON) == Usage(1, 1, 1)


def test_claim_gives_up_while_its_budget_stays_busy_and_writes_nothing(ministack: MiniStack) -> None:
    client = Conflicting(ministack.client("dynamodb"), 99)
    ledger = real_ledger(ministack, client)
    with pytest.raises(BudgetsBusy):
        ledger.insert(a_text("a"), LIMITS)
    assert (ledger.get(a_text("a").id), ledger.usage(ASHA, NOON)) == (None, Usage())


def test_failure_is_recorded_while_its_budget_stays_busy_and_keeps_what_it_took(ministack: MiniStack) -> None:
    client = Conflicting(ministack.client("dynamodb"), 0)
    ledger = real_ledger(ministack, client)
    text = a_text("a")
    ledger.insert(text, LIMITS)
    client.conflicts = 6
    assert ledger.transition(text, rejected(text))
    stored = ledger.get(text.id)
    assert stored
    assert (stored.state, stored.reserved) == (State.RETRY, text.reserved)
    assert ledger.usage(ASHA, NOON) == Usage(1, 1, 1)


def test_any_other_error_is_raised(ministack: MiniStack) -> None:
    ledger = real_ledger(ministack, Conflicting(ministack.client("dynamodb"), 1, ("None", "ValidationError")))
    with pytest.raises(ClientError):
        ledger.insert(a_text("a"), LIMITS)
