"""`dropnote simulate --dry-run`: recorded payloads through the handlers of app.py, and what they would cause."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.platform.custom import settings_file
from tests.support import bus_payloads
from tests.support.payloads import TEST_EVENT, bus_event, s3_notification, s3_record
from tests.support.stream_records import record
from workbench.cli.main import main
from workbench.paths import PROJECT

SAMPLES = PROJECT / "workbench" / "samples" / "payloads"
SENDS = {  # each sample: the function that gets it, and to whom which rule sends
    "alarm": ("bus", {("cloud", "asha", "email")}),
    "bus": ("bus", {("cloud", "asha", "email")}),
    "dynamodb-stream": ("items_orders", {("rejected orders", "asha", "email")}),
    "eventbridge-upload": ("upload_events", {("invoices", "asha", "email"), ("invoices", "ben", "email")}),
    "s3": ("upload_dropnote_uploads", {("uploads", "asha", "email"), ("uploads", "asha", "sms")}),
    "schedule": ("sweep", set()),
    "sns": ("uploads_topic_uploads", {("uploads", "asha", "email"), ("uploads", "asha", "sms")}),
    "sqs": ("uploads_queue_uploads", {("uploads", "asha", "email"), ("uploads", "asha", "sms")}),
}
TOPIC_AND_QUEUE = """
[[buckets]]
name = "partner-drops"
trigger = "topic"
topic = "arn:aws:sns:us-east-1:123456789012:uploads"

[[buckets]]
name = "bank-drops"
trigger = "queue"
queue = "arn:aws:sqs:us-east-1:123456789012:uploads"
""" + "".join(
    f'\n[[rules]]\nname = "{bucket}"\nbucket = "{bucket}"\nnotify = ["email:ben"]\n' for bucket in ("partner-drops", "bank-drops")
)


def simulate(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, ["simulate", "--dry-run", *arguments], input=text)


def simulated(*payloads: Any) -> list[dict[str, Any]]:
    """The result for payloads on standard input, one after the other."""
    result = simulate("-", "--json", text="\n".join(json.dumps(payload) for payload in payloads))
    assert result.exit_code == 0, result.output
    answers: list[dict[str, Any]] = json.loads(result.stdout)["payloads"]
    return answers


def local(payload: dict[str, Any]) -> Any:
    return json.loads(json.dumps(payload).replace("acme-drops", "dropnote-uploads"))


def messages(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (rule["rule"], message["person"], message["channel"])
        for event in answer["events"]
        for rule in event["rules"]
        for message in rule["messages"]
    }


@pytest.mark.parametrize("sample", sorted(file.stem for file in SAMPLES.glob("*.json")))
def test_every_sample_reaches_its_function_and_its_recipients(sample: str, tmp_path: Path) -> None:
    settings = tmp_path / "dropnote.toml"
    settings.write_text(settings_file().read_text() + TOPIC_AND_QUEUE)
    result = simulate(str(SAMPLES / f"{sample}.json"), "--settings", str(settings), "--json")
    assert result.exit_code == 0, result.output
    answers = json.loads(result.stdout)["payloads"]
    function, expected = SENDS[sample]
    assert {answer["function"] for answer in answers} == {function}
    assert set().union(*map(messages, answers)) == expected
    assert [answer["parked"] for answer in answers] == [[]] * len(answers)


def test_output_names_the_rule_the_person_and_the_time() -> None:
    output = simulate(str(SAMPLES / "s3.json")).output
    assert "function upload_dropnote_uploads" in output
    assert "uploads: match" in output
    assert "→   asha by email: [local] March offer + prices.pdf arrived (1 KB)" in output
    assert "key: key matches none of invoices/**/*.pdf" in output
    assert "asha by email and sms, immediately" in output
    assert "nothing was sent" in output


def test_burst_of_payloads_says_when_the_summary_is_sent() -> None:
    burst = [local(s3_notification(s3_record(f"in/{number}.csv", sequencer=f"{number:02}"))) for number in range(8)]
    result = simulate("-", text=json.dumps(burst))
    assert "5 messages, immediately" in result.output
    assert "one message for 3 files" in result.output


def test_event_reported_by_two_sources_is_sent_once() -> None:
    direct, eventbridge = simulated(local(s3_notification(s3_record("in/a.pdf"))), local(bus_event("in/a.pdf")))
    assert len(messages(direct)) == 2
    assert (messages(eventbridge), eventbridge["events"][0]["repeated"]) == (set(), True)


def test_payload_for_another_bucket_matches_no_rule() -> None:
    (answer,) = simulated(local(bus_event()) | {"detail": bus_event("in/a.pdf")["detail"]})
    assert messages(answer) == set()
    assert "bucket: wrong bucket: the rule is for dropnote-uploads" in answer["events"][0]["rules"][0]["why_not"]
    assert "Nobody would be notified." in simulate("-", text=json.dumps(bus_event())).output


def test_unreadable_record_would_be_parked_and_a_test_event_ignored() -> None:
    broken = s3_record("in/a.pdf")
    del broken["eventTime"]
    answers = simulated(local(s3_notification(broken)), local(TEST_EVENT))
    assert answers[0]["parked"] == ["a record of s3 would be parked: missing 'eventTime'"]
    assert answers[1]["ignored"] == ["s3:TestEvent"]


def test_resolved_alarm_sends_nothing_by_itself() -> None:
    (answer,) = simulated(bus_payloads.alarm("OK"))
    assert messages(answer) == set()
    assert answer["events"][0]["rules"][0]["note"].startswith("resolves the alarm's incident")


def test_several_payloads_in_a_file_in_every_form() -> None:
    first, second = local(bus_event("in/a.pdf")), bus_payloads.instance("stopped")
    logged = {"events": [{"message": json.dumps(payload), "timestamp": 1} for payload in (first, second)]}
    alone = local(s3_notification(s3_record("in/a.pdf")))["Records"][0]
    failed = {"requestContext": {"requestId": "1", "functionArn": "arn"}, "requestPayload": first}
    for text in (json.dumps([first, second]), json.dumps(first) + json.dumps(second), json.dumps(logged)):
        answers = json.loads(simulate("-", "--json", text=text).stdout)["payloads"]
        assert [answer["source"] for answer in answers] == ["eventbridge", "bus"]
        assert answers[0]["payload"] == "<stdin>, payload 1"
    assert [answer["source"] for answer in simulated(failed, alone)] == ["eventbridge", "s3"]


def test_ledger_stream_and_schedules_name_their_function() -> None:
    ledger = json.loads(json.dumps({"Records": [record({"id": "1"})]}).replace("table/orders/", "table/dropnote-local-ledger/"))
    schedule = json.loads((SAMPLES / "schedule.json").read_text())
    watch = {**schedule, "resources": ["arn:aws:events:us-east-1:123456789012:rule/dropnote-local-watch-event"]}
    assert [answer["function"] for answer in simulated(ledger, schedule, watch)] == ["count", "sweep", "watch"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "<stdin> is empty"),
        ("{\n\n]", "<stdin>:3: not JSON"),
        ('{"a": 1, "b": 2}', "unknown payload ('a', 'b'); known are those of S3"),
        ("1", "unknown payload (int)"),
        ('{"Records": []}', "unknown payload ('Records')"),
        ('{"Records": [{"eventSource": "aws:kinesis"}]}', "unknown payload"),
        ('{"Records": [{"eventSource": "aws:s3"}]}', "lacks 's3'"),
        ('{"Records": [{"EventSource": "aws:sns", "Sns": []}]}', "looks like a payload of the bot"),
        ('{"httpMethod": "GET"}', "unknown payload ('httpMethod')"),
        ("[" * 900 + "]" * 900, "unknown payload (list)"),
        ("[" * 100_000, "<stdin>: not a payload"),
        ('{"Event": "s3:TestEvent", "Bucket": "other"}', "no rule with a direct trigger is for the bucket 'other'"),
        ((SAMPLES / "sqs.json").read_text(), "no function reads the queue"),
        ((SAMPLES / "sns.json").read_text(), "no function is subscribed to the topic"),
    ],
)
def test_other_input_is_a_clear_error(text: str, error: str) -> None:
    result = simulate("-", text=text)
    assert (result.exit_code, error in result.output) == (1, True), result.output
    assert "Traceback" not in result.output


def test_settings_with_errors_are_shown_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[bot]\nname = "x"\nowner = "nobody"\n')
    result = simulate(str(SAMPLES / "s3.json"), "--settings", str(tmp_path / "bad.toml"))
    assert result.exit_code == 1
    assert "bad.toml:3:" in result.output


def test_payloads_are_only_sent_locally() -> None:
    result = CliRunner().invoke(main, ["simulate", str(SAMPLES / "s3.json"), "--stage", "dev"])
    assert (result.exit_code, "add --dry-run" in result.output) == (1, True)


def test_environment_of_the_process_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    simulate(str(SAMPLES / "s3.json"))
    assert dict(os.environ) == before
