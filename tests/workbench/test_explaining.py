"""`dropnote explain`: which rules want an upload, why the others do not, and who would be told."""

import json
from collections.abc import Mapping

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.clock import utc_now
from chalicelib.events import Creation, Event, Kind, Upload
from chalicelib.rules import conditions, why_not
from tests.builders import NOON, some_settings
from workbench import explaining
from workbench.cli import main
from workbench.explaining import Explained


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def explained(key: str, size: int | None = 1_234, changes: Mapping[str, str] | None = None) -> Explained:
    (found,) = explaining.explain(some_settings(**(changes or {})), "prod", Upload("acme-drops", key, size), utc_now())
    return found


def test_rule_that_matches_says_who_is_told_and_what_it_takes() -> None:
    found = explained("in/report.pdf")
    assert found.matches
    assert [(told.person, told.channel) for told in found.told] == [("asha", "email"), ("asha", "sms")]
    assert "report.pdf" in found.told[0].takes
    assert found.told[1].takes == "1 segment, GSM-7"
    assert found.timeline[0] == "at once: 2 messages"


def test_rule_that_does_not_match_says_each_reason_and_tells_nobody() -> None:
    found = explained("in/report.part", size=0)
    assert not found.matches
    assert {looked.condition for looked in found.conditions if looked.why_not} == {"ignore", "empty"}
    assert (found.told, found.timeline) == ([], [])


def test_fallback_stands_in_the_timeline() -> None:
    found = explained("in/report.pdf", changes={'"sms:asha"]': '"sms:asha"]\nfallback = "10m"\nexpires = "2h"'})
    assert found.timeline[1].startswith("after 10m: the person's other channel")
    assert found.timeline[2].startswith("after 2h: given up")


@given(
    key=some.text(min_size=1, max_size=30),
    size=some.none() | some.integers(0, 10_000),
    way=some.sampled_from(Creation),
    bucket=some.sampled_from(["acme-drops", "another"]),
)
def test_a_rule_matches_where_all_its_conditions_hold(key: str, size: int | None, way: Creation, bucket: str) -> None:
    (rule,), upload = some_settings().rules, Upload(bucket, key, size, creation=way)
    reasons = [why for _, why in conditions(rule, upload) if why]
    assert why_not(rule, Event(Kind.UPLOAD, "", NOON, upload=upload)) == (reasons[0] if reasons else "")


def test_output_is_json_on_request() -> None:
    told = json.loads(run("s3://dropnote-uploads/invoices/a.pdf", "--size", "12KB", "--json").output)
    assert [each["rule"] for each in told if each["matches"]] == ["invoices"]
    sizes = [looked["has"] for each in told for looked in each["conditions"] if looked["condition"] == "size"]
    assert sizes == ["12,288 bytes"] * 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["in/report.pdf"], "write s3://bucket/folder/name"),
        (["s3://acme-drops/"], "write s3://bucket/folder/name"),
        (["s3://acme-drops/a", "--size", "big"], "is no size"),
        (["s3://acme-drops/a", "--stage", "nosuch"], "no stage nosuch"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, told in result.output, "Traceback" in result.output) == (1, True, False)
