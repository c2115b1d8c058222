"""Small English phrases: durations, counts, suggestions."""

from datetime import timedelta

import pytest

from chalicelib.platform.phrases import did_you_mean, duration, pluralize


@pytest.mark.parametrize(
    ("seconds", "phrase"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (43 * 60, "43 minutes"),
        (2 * 3600, "2 hours"),
        (3 * 3600 + 300, "3 h 5 min"),
        (48 * 3600, "2 days"),
    ],
)
def test_duration(seconds: int, phrase: str) -> None:
    assert duration(timedelta(seconds=seconds)) == phrase


@pytest.mark.parametrize(("count", "phrase"), [(0, "no files"), (1, "1 file"), (2, "2 files"), (1204, "1,204 files")])
def test_count(count: int, phrase: str) -> None:
    assert pluralize(count, "file") == phrase


def test_suggestion_is_the_closest_name_else_all_names_if_they_are_few() -> None:
    assert did_you_mean("emial", ["email", "sms"]) == "did you mean 'email'?"
    assert did_you_mean("fax", ["sms", "email"]) == "use one of: email, sms"
    assert did_you_mean("fax", [f"channel{number}" for number in range(13)]) == ""
    assert did_you_mean("fax", []) == ""
