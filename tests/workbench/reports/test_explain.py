"""`dropnote explain`: which rules match an upload and why, who would be notified, and when."""

import json
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.event import Batch, Creation, Event, Kind, Upload
from chalicelib.rules.index import conditions, mismatch_reason
from tests.support.builders import NOON, some_settings
from tests.support.bundles import bundled, files_of
from tests.support.stages import memory_stage, plenty
from workbench.cli.main import main
from workbench.local.ministack import MiniStack
from workbench.reports.explain import RuleResult, burst_of, explain
from workbench.reports.explain_monitors import rule_lines
from workbench.reports.timeline import timeline

A_MINUTE = timedelta(minutes=1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def explained(key: str, size: int | None = 1_234, changes: Mapping[str, str] | None = None) -> RuleResult:
    (result,) = explain(some_settings(**(changes or {})), "prod", burst_of(Upload("acme-drops", key, size), NOON, 1, A_MINUTE))
    return result


def test_matching_rule_lists_its_recipients_and_the_messages() -> None:
    result = explained("in/report.pdf")
    assert result.matches
    assert [(message.person, message.channel) for message in result.messages] == [("asha", "email"), ("asha", "sms")]
    assert "report.pdf" in result.messages[0].summary
    assert result.messages[1].summary == "1 segment, GSM-7"
    assert result.timeline[0] == "2 Mar 2026, 17:30 IST: asha by email and sms, immediately"


def test_rule_that_does_not_match_has_every_reason_and_no_recipients() -> None:
    result = explained("in/report.part", size=0)
    assert not result.matches
    assert {condition.condition for condition in result.conditions if condition.mismatch} == {"ignore", "empty"}
    assert (result.messages, result.timeline) == ([], [])


def test_timeline_has_fallback_and_expiry() -> None:
    result = explained("in/report.pdf", changes={'"sms:asha"]': '"sms:asha"]\nfallback = "10m"\nexpires = "2h"'})
    assert result.timeline[1].startswith("if still failing after 10m: the person's other channel")
    assert result.timeline[2] == "if still undelivered after 2h: abandoned, and the owner is notified"


def test_burst_is_bundled_as_the_rule_says() -> None:
    then = {'then = "off"': 'then = "10m"'}
    burst = burst_of(Upload("acme-drops", "in/a.csv", 1), NOON, 412, A_MINUTE)
    (result,) = explain(some_settings(**then), "prod", burst)
    assert result.timeline[:2] == [
        "2 Mar 2026, 17:30 IST: asha by email and sms, 5 messages, immediately, the last at 17:30 IST",
        "2 Mar 2026, 17:40 IST: asha by email and sms, one message for 407 files, rest of the window",
    ]


def test_burst_without_bundles_is_one_line() -> None:
    (result,) = explain(some_settings(), "prod", burst_of(Upload("acme-drops", "in/a.csv", 1), NOON, 412, A_MINUTE))
    assert result.timeline[0] == "2 Mar 2026, 17:30 IST: asha by email and sms, 412 messages, immediately, the last at 17:30 IST"


@given(
    files=some.integers(1, 40),
    over=some.sampled_from([1, 8, 30, 90]),
    start=some.integers(0, 1_000),
    rule=some.sampled_from(
        [
            "",
            'then = "off"',
            'then = "5m"',
            'then = "5m"\nfirst = 1',
            'then = "20m"',
            'digest = "hourly"',
            'complete = { files = 40, within = "2h" }',
        ]
    ),
    quiet=some.sampled_from(["", 'quiet = "13:00-15:00"\n']),
)
@example(files=2, over=8, start=116, rule='digest = "hourly"', quiet='quiet = "13:00-15:00"\n')  # both are deferred until 15:00
@example(files=19, over=90, start=136, rule='then = "5m"', quiet='quiet = "13:00-15:00"\n')  # two messages are due at 15:01
@example(files=3, over=30, start=141, rule='then = "20m"', quiet='quiet = "13:00-15:00"\n')
def test_timeline_is_what_the_bot_does(files: int, over: int, start: int, rule: str, quiet: str) -> None:
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
    rows = [(taken.at, stage.ledger.get(taken.delivery)) for taken in stage.mail.accepted]
    sent = [(at, files_of(row.event)) for at, row in rows if row.rule != "trouble"]
    planned = [(message.at, message.files) for message in timeline(settings, settings.rules[0], uploads)]
    # the sweep sends messages that are due at the same moment in any order
    assert sorted(zip([at for at, _ in planned], [files for _, files in sent], strict=True)) == planned
    assert all(timedelta(0) <= at - plan <= 8 * A_MINUTE for (at, _), (plan, _) in zip(sent, planned, strict=True))


@given(
    key=some.text(min_size=1, max_size=30),
    size=some.none() | some.integers(0, 10_000),
    creation=some.sampled_from(Creation),
    bucket=some.sampled_from(["acme-drops", "another"]),
)
def test_rule_matches_if_all_its_conditions_do(key: str, size: int | None, creation: Creation, bucket: str) -> None:
    (rule,), upload = some_settings().rules, Upload(bucket, key, size, creation=creation)
    reasons = [reason for _, reason in conditions(rule, upload) if reason]
    assert mismatch_reason(rule, Event(Kind.UPLOAD, "", NOON, upload=upload)) == (reasons[0] if reasons else "")


def test_output_says_which_rules_match() -> None:
    output = run("s3://dropnote-uploads/invoices/a.pdf", "--size", "12KB", "--burst", "10000").output
    assert "invoices: match" in output.splitlines()
    assert "  →   asha by email: " in output
    assert "Not checked: silences, budgets and suppressed addresses" in output
    unmatched = run("s3://another-bucket/a.pdf").output
    assert "invoices: no match" in unmatched.splitlines()
    assert "No rule matches: nobody would be notified." in unmatched


def test_output_is_json_on_request() -> None:
    results = json.loads(run("s3://dropnote-uploads/invoices/a.pdf", "--size", "12KB", "--json").output)
    assert [result["rule"] for result in results if result["matches"]] == ["invoices"]
    sizes = [condition["has"] for result in results for condition in result["conditions"] if condition["condition"] == "size"]
    assert sizes == ["12,288 bytes"] * 2


def test_size_zero_is_a_size() -> None:
    output = run("s3://dropnote-uploads/invoices/a.pdf", "--size", "0").output
    assert "invoices: no match" in output.splitlines()
    assert "file is empty" in output


def test_names_in_json_do_not_change() -> None:
    (result,) = [row for row in json.loads(run("s3://dropnote-uploads/invoices/a.pdf", "--json").output) if row["matches"]]
    assert list(result) == ["rule", "matches", "conditions", "told", "timeline"]
    assert list(result["conditions"][0]) == ["condition", "asks", "has", "why_not"]
    assert list(result["told"][0]) == ["person", "channel", "takes"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["in/report.pdf"], "use s3://bucket/folder/name"),
        (["s3://acme-drops/"], "use s3://bucket/folder/name"),
        (["s3://acme-drops/a", "--size", "big"], "invalid size 'big'"),
        (["s3://acme-drops/a", "--over", "soon"], "'soon'"),
        (["s3://acme-drops/a", "--stage", "nosuch"], "unknown stage 'nosuch'"),
    ],
)
def test_invalid_input_is_one_sentence(arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, error in result.output, "Traceback" in result.output) == (1, True, False)


ASKING = """
[[rules]]
name = "asking"
bucket = "dropnote-uploads"
notify = "email:ben"
content_type = "application/pdf"
metadata = { team = ["blue", "red"] }
tags = { class = "!= public" }
previous = ["none", "> 7d"]
not = { uploader = "*:backup" }
"""


def asked(monkeypatch: pytest.MonkeyPatch, *options: str) -> list[str]:
    """The lines about the rule above."""
    monkeypatch.setattr("workbench.cli.answers.explain.settings_of", lambda stage: (some_settings(ASKING), {}))
    result = run("s3://dropnote-uploads/in/a.pdf", *options)
    assert result.exit_code == 0, result.output
    return result.output[result.output.index("asking:") :].splitlines()


def test_conditions_on_facts_that_are_not_given_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = asked(monkeypatch)
    assert lines[0] == "asking: match, if the conditions marked ?? are met"
    assert "  ??  content_type application/pdf (content_type not read)" in lines
    assert "  ??  previous none: a new key or > 7 days old (previous not read)" in lines
    assert "  ??  not      (uploader *:backup) (uploader unknown)" in lines


def test_given_facts_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--content-type", "application/pdf", "--metadata", "Team=red", "--tag", "class=secret", "--uploader", "AWS:a:me")
    lines = asked(monkeypatch, *given, "--previous", "8d")
    assert lines[0] == "asking: match"
    assert "  ok  metadata team: blue or red" in lines
    lines = asked(monkeypatch, *given, "--previous", "2d", "--tag", "class=public")
    assert lines[0] == "asking: no match"
    assert "  !!  tags     tag class is 'public', not != public" in lines
    assert any(line.startswith("  !!  previous replaces a version of ") and line.endswith("2 days older") for line in lines)


def test_conditions_of_a_rule_are_described_as_they_combine() -> None:
    text = 'any = [{ key = "a/**", size = "> 1 KB" }, { tags = { b = ["c", "d"] } }]\nnot = { all = [{ created = "copy" }] }'
    rule = some_settings(ASKING.partition("content_type")[0] + text).rules[1]
    lines = dict(rule_lines(rule))
    assert lines["any"] == "(key a/**; size >= 1,025 bytes) or (tags b: c or d)"
    assert lines["not"] == "(all (created copy))"


@pytest.mark.parametrize(
    ("option", "error"),
    [
        (["--tag", "secret"], "'secret' is not NAME=VALUE"),
        (["--previous", "soon"], "invalid duration 'soon'; use for example"),
    ],
)
def test_invalid_fact_is_an_error_with_the_next_step(option: list[str], error: str) -> None:
    result = run("s3://dropnote-uploads/a", *option)
    assert result.exit_code == 1
    assert error in result.output


def test_real_object_is_read(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket="dropnote-uploads")
    s3.put_bucket_versioning(Bucket="dropnote-uploads", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="dropnote-uploads", Key="in/a.pdf", Body=b"12345", ContentType="application/pdf",
        Metadata={"team": "blue"}, Tagging="class=secret")  # fmt: skip
    account = SimpleNamespace(settings=some_settings(ASKING), client=lambda service, **_: ministack.client(service))
    monkeypatch.setattr("workbench.cli.options.find_account", lambda stage: account)
    lines = run("s3://dropnote-uploads/in/a.pdf", "--read", "--uploader", "AWS:a:me").output.splitlines()
    assert "asking: match" in lines
    assert "  ok  size     any (5 bytes)" in lines
    missing = run("s3://dropnote-uploads/in/b.pdf", "--read")
    assert (missing.exit_code, "cannot be read: the object was deleted since" in missing.output) == (1, True)
