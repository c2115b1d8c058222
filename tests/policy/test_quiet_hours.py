"""Quiet hours and times of digests: parsing, and correct times when the clocks change."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chalicelib.domain.schedule import QuietHours
from chalicelib.policy.quiet_hours import never_ends, parse_quiet, quiet_until
from tests.policy.zones import (
    DAY,
    EDGES,
    EIGHT_DAYS,
    EVERY,
    KOLKATA,
    LORD_HOWE,
    MINUTE,
    NEW_YORK,
    PARIS,
    SANTIAGO,
    SYDNEY,
    WEEKEND,
    WORK,
    days,
    days_of,
    minutes,
    utc,
    zones,
)


@pytest.mark.parametrize(
    ("text", "quiet", "written"),
    [
        ("22:00-07:00", QuietHours(EVERY, 1320, 420), "22:00-07:00"),
        ("weekdays 22:00-07:00", QuietHours(WORK, 1320, 420), "weekdays 22:00-07:00"),
        ("  Weekdays   22:00-07:00 ", QuietHours(WORK, 1320, 420), "weekdays 22:00-07:00"),
        ("mon-fri 18:00-09:00", QuietHours(WORK, 1080, 540), "weekdays 18:00-09:00"),
        ("fri 18:00-24:00", QuietHours((4,), 1080, 1440), "fri 18:00-24:00"),
        ("fri-mon 00:00-06:30", QuietHours((0, 4, 5, 6), 0, 390), "mon fri sat sun 00:00-06:30"),
        ("weekend", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("sat-sun", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("sun sat", QuietHours(WEEKEND, 0, 1440), "weekend"),
        ("wed", QuietHours((2,), 0, 1440), "wed"),
        ("22:00-00:00", QuietHours(EVERY, 1320, 0), "22:00-00:00"),
        ("22:00-07:00 Asia/Kolkata", QuietHours(EVERY, 1320, 420, KOLKATA), "22:00-07:00 Asia/Kolkata"),
        ("weekend UTC", QuietHours(WEEKEND, 0, 1440, "UTC"), "weekend UTC"),
        ("weekend America/Argentina/Buenos_Aires", QuietHours(WEEKEND, 0, 1440, "America/Argentina/Buenos_Aires"), None),
    ],
)
def test_quiet_hours_are_read_and_written_back(text: str, quiet: QuietHours, written: str | None) -> None:
    assert parse_quiet(text) == quiet
    assert str(quiet) == (written or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nights",
        "22:00",
        "22-07",
        "7:00-9:00",
        "22:00-22:00",
        "00:00-00:00",
        "24:00-07:00",
        "22:00-25:00",
        "22:00-24:30",
        "22:60-07:00",
        "22:00 - 07:00",
        "22:00-07:00 08:00-09:00",
        "22:00-07:00 weekdays",
        "workdays 22:00-07:00",
        "mon-funday",
        "mon,tue",
        "weekend Mars/Olympus",
        "Asia/Kolkata",
        "22:00-07:00 ../etc/passwd",
        "22:00-07:00 Europe/",
        "22:00-07:00 IST",
        "٢٢:٠٠-٠٧:٠٠",
        "1٨:00-07:00",
    ],
)
def test_invalid_quiet_hours_are_rejected_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,120}[^.\n]$") as error:
        parse_quiet(text)
    assert type(error.value) is ValueError


quiets = some.builds(QuietHours, days, minutes, minutes | some.just(1440), zones).filter(lambda quiet: quiet.start != quiet.end)


@given(quiets)
@example(QuietHours(EVERY, 0, 1440, KOLKATA))
def test_written_quiet_hours_read_back_as_the_same(quiet: QuietHours) -> None:
    assert parse_quiet(str(quiet)) == quiet


@pytest.mark.parametrize(
    ("text", "zone", "now", "until"),
    [
        # spring, northern: 29 March has no 02:00 to 03:00
        ("22:00-02:30", PARIS, "2026-03-28 23:00", "2026-03-29 01:00"),
        ("02:30-04:00", PARIS, "2026-03-29 00:59", None),
        ("02:30-04:00", PARIS, "2026-03-29 01:00", "2026-03-29 02:00"),
        ("02:10-02:50", PARIS, "2026-03-29 01:00", None),  # skipped entirely
        ("22:00-07:00", NEW_YORK, "2026-03-08 04:00", "2026-03-08 11:00"),
        # autumn, northern: 25 October has 02:00 to 03:00 twice
        ("22:00-02:30", PARIS, "2026-10-24 23:00", "2026-10-25 01:30"),  # the second
        ("02:30-04:00", PARIS, "2026-10-25 00:29", None),
        ("02:30-04:00", PARIS, "2026-10-25 00:30", "2026-10-25 03:00"),  # from the first
        ("02:30-02:45", PARIS, "2026-10-25 00:30", "2026-10-25 01:45"),
        ("22:00-01:30", NEW_YORK, "2026-11-01 05:45", "2026-11-01 06:30"),
        ("22:00-01:00", NEW_YORK, "2026-11-01 04:00", "2026-11-01 06:00"),  # the second 01:00
        ("22:00-02:00", NEW_YORK, "2026-11-01 04:00", "2026-11-01 07:00"),  # there is only one 02:00
        # southern, the other way round
        ("22:00-02:30", SYDNEY, "2026-10-03 12:00", "2026-10-03 16:00"),
        ("22:00-02:30", SYDNEY, "2026-04-04 12:00", "2026-04-04 16:30"),
        # midnight is skipped, or the hour before it is shown twice
        ("sat", SANTIAGO, "2026-09-05 12:00", "2026-09-06 04:00"),
        ("sun", SANTIAGO, "2026-09-06 03:59", None),
        ("sun", SANTIAGO, "2026-09-06 04:00", "2026-09-07 03:00"),
        ("sat", SANTIAGO, "2026-04-05 03:30", "2026-04-05 04:00"),
        ("sat 20:00-23:30", SANTIAGO, "2026-04-05 02:45", "2026-04-05 03:30"),
        # half an hour
        ("22:00-02:15", LORD_HOWE, "2026-10-03 12:00", "2026-10-03 15:30"),
        ("22:00-01:45", LORD_HOWE, "2026-04-04 12:00", "2026-04-04 15:15"),
        ("22:00-07:00", KOLKATA, "2026-06-01 16:30", "2026-06-02 01:30"),
        # consecutive ones, and zones other than the recipient's
        ("22:00-07:00 Asia/Kolkata", PARIS, "2026-06-01 16:30", "2026-06-02 01:30"),
        ("fri 22:00-24:00 + sat", "UTC", "2026-06-05 23:00", "2026-06-07 00:00"),
        ("22:00-07:00 + weekend", "UTC", "2026-06-05 23:00", "2026-06-08 07:00"),
    ],
)
def test_quiet_hours_end_correctly_when_the_clocks_change(text: str, zone: str, now: str, until: str | None) -> None:
    assert quiet_until(map(parse_quiet, text.split(" + ")), zone, utc(now)) == (utc(until) if until else None)


@given(some.lists(quiets, min_size=1, max_size=3), some.sampled_from(EDGES), some.integers(-2_000, 2_000), some.integers(0, 59))
def test_quiet_lasts_until_the_first_minute_outside_all_quiet_hours(
    chosen: list[QuietHours], edge: tuple[str, date], apart: int, seconds: int
) -> None:
    zone, around = edge
    now = datetime.combine(around, time(), UTC) + apart * MINUTE
    first = now
    while first - now < EIGHT_DAYS and any(quiet_in(quiet, quiet.zone or zone, around, first) for quiet in chosen):
        first += MINUTE
    until = quiet_until(chosen, zone, now + timedelta(seconds=seconds))
    if first - now < EIGHT_DAYS:
        assert until == (None if first == now else first)
    else:
        assert until is not None
        assert until >= first
    assert until is None or until.tzinfo is UTC


def quiet_in(quiet: QuietHours, zone: str, around: date, moment: datetime) -> bool:
    clock = days_of(zone, around)
    return clock.quiet(quiet, clock.at(moment))


def test_search_for_the_end_of_quiet_hours_stops_after_eight_days() -> None:
    now = utc("2026-06-01 12:00")
    until = quiet_until([QuietHours(EVERY, 0, 1440)], "UTC", now)
    assert until is not None
    assert EIGHT_DAYS <= until - now <= EIGHT_DAYS + DAY


@pytest.mark.parametrize(
    ("text", "zone", "endless"),
    [
        ("weekend + weekdays", PARIS, True),
        ("22:00-07:00", PARIS, False),
        ("00:00-23:59", PARIS, False),
        ("00:00-24:00", PARIS, True),
        ("07:00-22:00 + 22:00-07:00", PARIS, True),
        ("07:00-22:00 + 22:01-07:00", PARIS, False),
        ("mon-sat + sun 00:00-23:59", PARIS, False),
        ("mon-sat + sun", SANTIAGO, True),
        ("00:00-12:00 Europe/Paris + 12:00-24:00 Africa/Lagos", "UTC", True),  # in winter
        ("00:00-12:00 Africa/Lagos + 13:00-01:00 Europe/Paris", "UTC", True),  # in summer
        ("00:00-12:00 Asia/Kolkata + 12:00-24:00 Africa/Lagos", "UTC", False),
    ],
)
def test_quiet_hours_without_an_end_are_detected(text: str, zone: str, endless: bool) -> None:
    assert never_ends([parse_quiet(part) for part in text.split(" + ")], zone) is endless
