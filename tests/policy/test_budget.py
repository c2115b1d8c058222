"""Budgets, the pure part: how they are read, when they are exhausted, and what they block."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS, ExhaustedBudget, Limit, Period
from chalicelib.domain.people import Channel
from chalicelib.policy.budget import (
    ALL,
    describe,
    evaluate,
    expired_budgets,
    find_exhausted,
    limits_by_scope,
    parse_limit,
    period_of,
    scopes,
)
from tests.support.builders import NOON, some_settings

HOURLY, DAILY, SEGMENTS = (parse_limit(text) for text in ("60 per hour", "300 messages per day", "100 segments per day"))
amounts = some.integers(1, 10_000)


def an_exhausted(scope: str, limit: Limit, at: datetime = NOON) -> ExhaustedBudget:
    return ExhaustedBudget(scope, limit, *period_of(limit.per, at))


def by_key(*budgets: ExhaustedBudget) -> dict[str, ExhaustedBudget]:
    return {budget.key: budget for budget in budgets}


@pytest.mark.parametrize("text", ["60 messages per hour", "300 messages per day", "100 segments per day"])
def test_limit_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_limit(text)) == text


def test_limit_without_a_unit_counts_messages() -> None:
    assert Limit(60, "messages", "hour") == HOURLY == parse_limit("  60   per hour ")


@pytest.mark.parametrize("text", ["", "60", "0 per hour", "-1 per day", "60 per week", "1e3 per day", "60 calls per day"])
def test_invalid_limit_is_rejected_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^invalid budget '{text}'$"):
        parse_limit(text)


def test_segments_are_limited_per_day_only() -> None:
    with pytest.raises(ValueError, match="counted per day"):
        parse_limit("5 segments per hour")


@given(amount=amounts, used=some.integers(0, 12_000))
def test_limit_is_near_from_eighty_per_cent_and_over_at_its_amount(amount: int, used: int) -> None:
    share = used / amount
    assert evaluate(Limit(amount, "messages", "hour"), used) == ("over" if share >= 1 else "near" if share >= 0.8 else "ok")


@given(per=some.sampled_from(["hour", "day"]), moment=some.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_every_moment_is_in_one_hour_and_one_day_of_utc(per: Period, moment: datetime) -> None:
    begin, end = period_of(per, moment.replace(tzinfo=UTC))
    assert begin <= moment.replace(tzinfo=UTC) < end
    assert end - begin == {"hour": timedelta(hours=1), "day": timedelta(days=1)}[per]
    assert period_of(per, end) == (end, end + (end - begin))


@pytest.mark.parametrize("scope", scopes("asha", "uploads"))
def test_budget_of_a_person_a_rule_and_the_bot_blocks_their_messages_until_the_hour_ends(scope: str) -> None:
    budget = an_exhausted(scope, HOURLY)
    for channel in Channel:
        assert find_exhausted(by_key(budget), "asha", "uploads", channel, NOON) == budget
    assert find_exhausted(by_key(budget), "asha", "uploads", Channel.SMS, NOON + timedelta(minutes=59)) == budget
    assert find_exhausted(by_key(budget), "asha", "uploads", Channel.SMS, NOON + timedelta(hours=1)) is None


def test_budget_of_another_person_or_rule_blocks_nothing() -> None:
    others = by_key(an_exhausted("person ben", HOURLY), an_exhausted("rule invoices", HOURLY))
    assert find_exhausted(others, "asha", "uploads", Channel.SMS, NOON) is None


def test_budget_of_segments_blocks_texts_only() -> None:
    segments = an_exhausted("person asha", SEGMENTS)
    assert segments.key == "person asha: segments per day"
    assert find_exhausted(by_key(segments), "asha", "uploads", Channel.SMS, NOON) == segments
    assert find_exhausted(by_key(segments), "asha", "uploads", Channel.EMAIL, NOON) is None


def test_of_several_exhausted_budgets_the_one_that_ends_last_blocks() -> None:
    hourly, daily = an_exhausted("person asha", HOURLY), an_exhausted(ALL, DAILY)
    segments = an_exhausted("person asha", SEGMENTS)
    assert find_exhausted(by_key(hourly, daily), "asha", "uploads", Channel.SMS, NOON) == daily
    assert find_exhausted(by_key(hourly, segments), "asha", "uploads", Channel.EMAIL, NOON) == hourly


def test_limit_that_was_raised_or_removed_since_blocks_nothing() -> None:
    budgets, raised = by_key(an_exhausted("person asha", HOURLY)), (Limit(90, "messages", "hour"),)
    assert find_exhausted(budgets, "asha", "uploads", Channel.SMS, NOON, {"person asha": (HOURLY,)}) is not None
    assert find_exhausted(budgets, "asha", "uploads", Channel.SMS, NOON, {"person asha": raised}) is None
    assert find_exhausted(budgets, "asha", "uploads", Channel.SMS, NOON, {}) is None


def test_exhausted_budget_expires_with_its_hour() -> None:
    budget = an_exhausted("person asha", HOURLY)
    assert expired_budgets([budget], NOON + timedelta(minutes=59)) == []
    assert expired_budgets([budget], NOON + timedelta(hours=1)) == [budget]


def test_people_have_a_generous_default_budget_and_rules_none() -> None:
    settings = some_settings()
    assert limits_by_scope(settings) == {
        "person asha": DEFAULT_PERSON_LIMITS,
        "person ben": DEFAULT_PERSON_LIMITS,
        "rule uploads": (),
        ALL: (),
    }
    assert limits_by_scope(replace(settings, bot=replace(settings.bot, budget=(DAILY,))))[ALL] == (DAILY,)


@pytest.mark.parametrize(
    ("scope", "subject", "setting"),
    [
        ("person asha", "asha", "`budget` of [people.asha]"),
        ("rule uploads", "rule uploads", "`budget` of rule uploads"),
        (ALL, "all messages together", "`budget` of [bot]"),
    ],
)
def test_owner_learns_which_budget_is_exhausted_until_when_and_where_to_change_it(scope: str, subject: str, setting: str) -> None:
    over = describe(an_exhausted(scope, HOURLY), 60, "over")
    assert over.startswith(f"The budget of {subject} is exhausted: 60 of 60 messages per hour. ")
    assert "Until 13:00 UTC, texts become mails, and mails are deferred and sent as one. " in over
    assert setting in over
    near = describe(an_exhausted(scope, HOURLY), 50, "near")
    assert "nearly exhausted: 50 of 60 messages per hour. From 60 on, until 13:00 UTC, texts become mails, and" in near
    assert "Until 00:00 UTC, texts become mails. " in describe(an_exhausted(scope, SEGMENTS), 100, "over")
