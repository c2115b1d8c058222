"""Budgets, the pure part: how they are read, when they are used up, and what they stop."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS, ExhaustedBudget, Limit, Per
from chalicelib.domain.people import Channel
from chalicelib.policy.budget import ALL, describe, evaluate, exhausted, expired, limits_of, parse, period_of, scopes
from tests.support.builders import NOON, some_settings

HOURLY, DAILY, SEGMENTS = (parse(text) for text in ("60 per hour", "300 messages per day", "100 segments per day"))
amounts = some.integers(1, 10_000)


def tripped(scope: str, limit: Limit, at: datetime = NOON) -> ExhaustedBudget:
    return ExhaustedBudget(scope, limit, *period_of(limit.per, at))


def known(*some_tripped: ExhaustedBudget) -> dict[str, ExhaustedBudget]:
    return {each.key: each for each in some_tripped}


@pytest.mark.parametrize("text", ["60 messages per hour", "300 messages per day", "100 segments per day"])
def test_budget_is_written_as_it_is_read(text: str) -> None:
    assert str(parse(text)) == text


def test_budget_without_a_word_for_what_is_of_messages() -> None:
    assert Limit(60, "messages", "hour") == HOURLY == parse("  60   per hour ")


@pytest.mark.parametrize("text", ["", "60", "0 per hour", "-1 per day", "60 per week", "1e3 per day", "60 calls per day"])
def test_what_is_no_budget_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is no budget, such as 60 per hour"):
        parse(text)


def test_segments_are_of_a_day() -> None:
    with pytest.raises(ValueError, match="counted by the day"):
        parse("5 segments per hour")


@given(amount=amounts, used=some.integers(0, 12_000))
def test_limit_is_near_from_eighty_per_cent_and_over_at_its_amount(amount: int, used: int) -> None:
    share = used / amount
    assert evaluate(Limit(amount, "messages", "hour"), used) == ("over" if share >= 1 else "near" if share >= 0.8 else "ok")


@given(per=some.sampled_from(["hour", "day"]), moment=some.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))
def test_every_moment_is_in_one_hour_and_one_day_of_utc(per: Per, moment: datetime) -> None:
    begin, end = period_of(per, moment.replace(tzinfo=UTC))
    assert begin <= moment.replace(tzinfo=UTC) < end
    assert end - begin == {"hour": timedelta(hours=1), "day": timedelta(days=1)}[per]
    assert period_of(per, end) == (end, end + (end - begin))


@pytest.mark.parametrize("scope", scopes("asha", "uploads"))
def test_budget_of_a_person_a_rule_and_all_stops_their_messages_until_its_hour_ends(scope: str) -> None:
    (there,) = known(tripped(scope, HOURLY)).values()
    for channel in Channel:
        assert exhausted({there.key: there}, "asha", "uploads", channel, NOON) == there
    assert exhausted({there.key: there}, "asha", "uploads", Channel.SMS, NOON + timedelta(minutes=59)) == there
    assert exhausted({there.key: there}, "asha", "uploads", Channel.SMS, NOON + timedelta(hours=1)) is None


def test_budget_of_another_stops_nothing() -> None:
    there = known(tripped("person ben", HOURLY), tripped("rule invoices", HOURLY))
    assert exhausted(there, "asha", "uploads", Channel.SMS, NOON) is None


def test_budget_of_segments_stops_texts_alone() -> None:
    there = known(tripped("person asha", SEGMENTS))
    assert exhausted(there, "asha", "uploads", Channel.SMS, NOON) == there["person asha: segments per day"]
    assert exhausted(there, "asha", "uploads", Channel.EMAIL, NOON) is None


def test_of_several_budgets_the_one_that_ends_last_counts() -> None:
    hourly, daily, segments = tripped("person asha", HOURLY), tripped(ALL, DAILY), tripped("person asha", SEGMENTS)
    assert exhausted(known(hourly, daily), "asha", "uploads", Channel.SMS, NOON) == daily
    assert exhausted(known(hourly, segments), "asha", "uploads", Channel.EMAIL, NOON) == hourly


def test_budget_that_was_raised_or_taken_out_since_stops_nothing() -> None:
    there, raised = known(tripped("person asha", HOURLY)), (Limit(90, "messages", "hour"),)
    assert exhausted(there, "asha", "uploads", Channel.SMS, NOON, {"person asha": (HOURLY,)}) is not None
    assert exhausted(there, "asha", "uploads", Channel.SMS, NOON, {"person asha": raised}) is None
    assert exhausted(there, "asha", "uploads", Channel.SMS, NOON, {}) is None


def test_what_has_tripped_is_past_when_its_hour_is() -> None:
    there = tripped("person asha", HOURLY)
    assert expired([there], NOON + timedelta(minutes=59)) == []
    assert expired([there], NOON + timedelta(hours=1)) == [there]


def test_people_have_a_generous_budget_where_the_settings_say_nothing_and_rules_none() -> None:
    settings = some_settings()
    assert limits_of(settings) == {
        "person asha": DEFAULT_PERSON_LIMITS,
        "person ben": DEFAULT_PERSON_LIMITS,
        "rule uploads": (),
        ALL: (),
    }
    assert limits_of(replace(settings, bot=replace(settings.bot, budget=(DAILY,))))[ALL] == (DAILY,)


@pytest.mark.parametrize(
    ("scope", "words"),
    [("person asha", "`budget` of [people.asha]"), ("rule uploads", "`budget` of the rule uploads"), (ALL, "`budget` of [bot]")],
)
def test_owner_is_told_whose_budget_it_is_until_when_and_where_it_is_set(scope: str, words: str) -> None:
    told = describe(tripped(scope, HOURLY), 60, "over")
    assert words in told
    assert "60 of 60 messages per hour. Until 13:00 UTC texts become mails, and mails wait and come as one then." in told
    assert "nearly used up: 50 of 60 messages per hour. From 60 on" in describe(tripped(scope, HOURLY), 50, "near")
    assert "Until 00:00 UTC texts become mails. " in describe(tripped(scope, SEGMENTS), 100, "over")
