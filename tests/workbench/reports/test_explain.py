"""`dropnote explain`: which rules want an upload, why the others do not, and who would be told."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.event import Batch, Creation, Event, Kind, Upload
from chalicelib.rules.index import conditions, mismatch_reason
from tests.delivery.test_bundle import bundled, files_of
from tests.support.builders import NOON, some_settings
from tests.support.stages import memory_stage, plenty
from workbench.cli import explain
from workbench.cli.explain import Explained, burst_of
from workbench.cli.main import main
from workbench.reports.timeline import timeline

A_MINUTE = timedelta(minutes=1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def explained(key: str, size: int | None = 1_234, changes: Mapping[str, str] | None = None) -> Explained:
    (found,) = explain.explain(
        some_settings(**(changes or {})), "prod", burst_of(Upload("acme-drops", key, size), NOON, 1, A_MINUTE)
    )
    return found


def test_rule_that_matches_says_who_is_told_and_what_it_takes() -> None:
    found = explained("in/report.pdf")
    assert found.matches
    assert [(told.person, told.channel) for told in found.told] == [("asha", "email"), ("asha", "sms")]
    assert "report.pdf" in found.told[0].takes
    assert found.told[1].takes == "1 segment, GSM-7"
    assert found.timeline[0] == "2 Mar 2026, 17:30 IST: asha by email and sms, at once"


def test_rule_that_does_not_match_says_each_reason_and_tells_nobody() -> None:
    found = explained("in/report.part", size=0)
    assert not found.matches
    assert {looked.condition for looked in found.conditions if looked.why_not} == {"ignore", "empty"}
    assert (found.told, found.timeline) == ([], [])


def test_fallback_stands_in_the_timeline() -> None:
    found = explained("in/report.pdf", changes={'"sms:asha"]': '"sms:asha"]\nfallback = "10m"\nexpires = "2h"'})
    assert found.timeline[1].startswith("after 10m: the person's other channel")
    assert found.timeline[2].startswith("after 2h: given up")


def test_a_burst_is_played_through_the_knobs() -> None:
    then = {'"sms:asha"]': '"sms:asha"]\nthen = "10m"'}
    found = burst_of(Upload("acme-drops", "in/a.csv", 1), NOON, 412, A_MINUTE)
    (told,) = explain.explain(some_settings(**then), "prod", found)
    assert told.timeline[:2] == [
        "2 Mar 2026, 17:30 IST: asha by email and sms, at once",
        "2 Mar 2026, 17:40 IST: asha by email and sms, one message of 411 files, the rest of its window",
    ]


def test_a_burst_that_nothing_bundles_is_one_line() -> None:
    (told,) = explain.explain(some_settings(), "prod", burst_of(Upload("acme-drops", "in/a.csv", 1), NOON, 412, A_MINUTE))
    assert told.timeline[0] == "2 Mar 2026, 17:30 IST: asha by email and sms, 412 messages, each at once, the last at 17:30 IST"


@given(
    files=some.integers(1, 40),
    over=some.sampled_from([1, 8, 30, 90]),
    start=some.integers(0, 1_000),
    rule=some.sampled_from(["", 'then = "5m"', 'then = "20m"', 'digest = "hourly"', 'complete = { files = 40, within = "2h" }']),
    quiet=some.sampled_from(["", 'quiet = "13:00-15:00"\n']),
)
@example(files=2, over=8, start=116, rule='digest = "hourly"', quiet='quiet = "13:00-15:00"\n')  # both wait until 15:00
def test_the_timeline_is_what_the_bot_does(files: int, over: int, start: int, rule: str, quiet: str) -> None:
    settings = bundled(rule, 'notify = ["email:asha"]', f'timezone = "UTC"\n{quiet}')
    uploads = [
        replace(event, upload=replace(event.upload, key=f"in/{number}.csv"))
        for number, event in enumerate(burst_of(Upload("acme-drops", "in/a", 1), NOON + start * A_MINUTE, files, over * A_MINUTE))
        if event.upload
    ]
    stage, upcoming = memory_stage(settings), list(uploads)
    stage.now = uploads[0].at
    for _ in range(30 * 60):
        while upcoming and upcoming[0].at <= stage.now:
            event = upcoming.pop(0)
            now, stage.now = stage.now, event.at
            stage.bot.take(Batch(events=(event,)), plenty)
            stage.now = now
        stage.sweep()
        stage.now += A_MINUTE
        if not upcoming and not any(row.due_at for row in stage.ledger.bundles.values()):
            break
    rows = [(taken.at, stage.ledger.get(taken.delivery)) for taken in stage.mail.taken]
    did = [(at, files_of(row.event)) for at, row in rows if row.rule != "trouble"]
    said = [(each.at, each.files) for each in timeline(settings, settings.rules[0], uploads)]
    assert [files for _, files in did] == [files for _, files in said]
    assert all(timedelta(0) <= really - told <= 8 * A_MINUTE for (really, _), (told, _) in zip(did, said, strict=True))


@given(
    key=some.text(min_size=1, max_size=30),
    size=some.none() | some.integers(0, 10_000),
    way=some.sampled_from(Creation),
    bucket=some.sampled_from(["acme-drops", "another"]),
)
def test_a_rule_matches_where_all_its_conditions_hold(key: str, size: int | None, way: Creation, bucket: str) -> None:
    (rule,), upload = some_settings().rules, Upload(bucket, key, size, creation=way)
    reasons = [why for _, why in conditions(rule, upload) if why]
    assert mismatch_reason(rule, Event(Kind.UPLOAD, "", NOON, upload=upload)) == (reasons[0] if reasons else "")


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
