"""The smoke test without its commands: what it plans, what its report hides, and that it cleans up whatever happens."""

import json
import os
import signal
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from chalicelib.domain.event import Event, Kind, Upload
from chalicelib.domain.people import Channel, Person
from chalicelib.settings.reader import load
from chalicelib.sources.s3 import from_notification
from tests.support.builders import some_settings
from workbench.cli.main import main
from workbench.deployment.errors import SetupError
from workbench.local.ministack import ACCOUNT, REGION, MiniStack
from workbench.local.resources import verify_sender
from workbench.rehearsal.runner import CommandFailed, Runner
from workbench.rehearsal.smoke.plan import SmokePlan, make_plan, settings_text
from workbench.rehearsal.smoke.report import Report, StepFailed, redact
from workbench.rehearsal.smoke.smoke import Patience, Smoke, notification

STAGE, TOKEN = "smokea1b2c", "a-token-that-nobody-may-see"
PERSON = Person("asha", email="asha@example.com", sms="+919812345678")
PLAN = SmokePlan("dev", STAGE, "dropnote-smoke-a1b2c", PERSON, (Channel.EMAIL, Channel.SMS))
USER = """
[bot]
name = 'Acme "drops"'
owner = "asha"
ping = "https://example.com/ping"
[email]
from = "Acme <drops@example.com>"
[sms]
account = "${TWILIO_ACCOUNT_SID}"
from = "+15005550006"
max_segments = 2
[people.asha]
email = "asha@example.com"
quiet = "22:00-07:00"
"""


class Commands(Runner):
    """Records the commands instead of running them. One fails, if `failing` says how."""

    def __init__(self, report: Report, failing: str = "", error: Callable[[], object] = lambda: None) -> None:
        super().__init__(Path("/"), {}, report.line)
        self.failing, self.error, self.ran = failing, error, list[str]()

    def run(self, *command: str, **options: Any) -> str:
        self.ran.append(command[1])
        if command[1] == self.failing:
            self.error()
        return ""


def raise_failure() -> None:
    raise CommandFailed("`chalice deploy` exited with code 1", f"denied for asha@example.com with {TOKEN}")


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def smoke(ministack: MiniStack, failing: str, error: Callable[[], object]) -> tuple[Smoke, Commands]:
    clock = iter(range(1000)).__next__
    report = Report(lambda line, style: None, {}, [TOKEN], clock=clock)
    commands = Commands(report, failing, error)
    return Smoke(PLAN, "us-east-1", ministack.client, commands, report, {}, Patience(0.0, 0.0, 0.0)), commands


@pytest.mark.parametrize("failing", ["setup", "package", "deploy", "finish"])
@pytest.mark.parametrize("error", [raise_failure, press_ctrl_c, terminate])
def test_failed_or_stopped_step_ends_the_test_and_everything_is_removed(
    ministack: MiniStack, failing: str, error: Callable[[], object]
) -> None:
    test, commands = smoke(ministack, failing, error)
    assert not test.run()
    assert commands.ran[-2:] == [failing, "remove"]
    states = {step.title: step.state for step in test.report.steps}
    assert (states["remove"], states["upload and receive"]) == ("ok", "skipped")
    assert "failed" in states.values()
    assert ministack.client("s3").list_buckets()["Buckets"] == []


def test_ctrl_c_during_the_removal_does_not_stop_it(ministack: MiniStack) -> None:
    test, _ = smoke(ministack, "remove", press_ctrl_c)
    test.client("s3").create_bucket(Bucket=PLAN.bucket)
    assert test.clean_up()
    assert ministack.client("s3").list_buckets()["Buckets"] == []


def test_failed_removal_goes_on_with_the_rest_and_names_what_is_left(ministack: MiniStack) -> None:
    test, _ = smoke(ministack, "remove", raise_failure)
    ministack.client("s3").create_bucket(Bucket=PLAN.bucket)
    ministack.client("s3").put_object(Bucket=PLAN.bucket, Key="a", Body=b"b")
    ministack.client("ssm").put_parameter(Name=f"/dropnote/{STAGE}/twilio-auth-token", Value="x", Type="SecureString")
    printed: list[str] = []
    test.report.print_line = lambda line, style: printed.append(line)
    assert not test.clean_up()
    assert f"still there: parameter /dropnote/{STAGE}/twilio-auth-token" in printed[-2]
    assert printed[-1].endswith(f"dropnote smoke --stage dev --clean {STAGE}")
    assert ministack.client("s3").list_buckets()["Buckets"] == []


def test_other_stages_and_buckets_are_not_touched(ministack: MiniStack) -> None:
    ministack.client("s3").create_bucket(Bucket="acme-drops")
    ministack.client("events").put_rule(Name="dropnote-dev-sweep-event", ScheduleExpression="rate(1 minute)")
    ministack.client("events").put_rule(Name=f"dropnote-{STAGE}-sweep-event", ScheduleExpression="rate(1 minute)")
    test, _ = smoke(ministack, "", raise_failure)
    assert test.clean_up()
    assert [bucket["Name"] for bucket in ministack.client("s3").list_buckets()["Buckets"]] == ["acme-drops"]
    assert [rule["Name"] for rule in ministack.client("events").list_rules()["Rules"]] == ["dropnote-dev-sweep-event"]


def test_report_has_no_secret_no_address_and_no_account(ministack: MiniStack, tmp_path: Path) -> None:
    test, _ = smoke(ministack, "deploy", raise_failure)
    test.run()
    arn = "arn:aws:iam::123456789012:role/dropnote-smokea1b2c-sweep"
    with pytest.raises(StepFailed), test.report.step("more"):
        raise StepFailed(f"{arn}: +91 98123 45678, AKIAIOSFODNN7EXAMPLE, AC{'0' * 32}, {Path.home()}/x, {TOKEN}")
    test.report.write(tmp_path / "a" / "report.json")
    text = (tmp_path / "a" / "report.json").read_text()
    for hidden in ("asha@example.com", TOKEN, "123456789012", "98123", "AKIAIOSFODNN7EXAMPLE", "AC000", str(Path.home())):
        assert hidden not in text
    report = json.loads(text)
    assert report["result"] == "failed"
    assert "arn:aws:iam::[account]:role/dropnote-smokea1b2c-sweep" in text
    assert {"python", "chalice", "botocore"} <= set(report["versions"])


def test_secret_with_quotes_is_hidden() -> None:
    secret = 'p"a\\ss'
    assert secret not in json.loads(redact(json.dumps({"line": f"it is {secret}"}), [secret]))["line"]


def test_settings_have_the_users_senders_and_nothing_that_holds_messages_back(tmp_path: Path) -> None:
    text = settings_text(PLAN, tomllib.loads(USER))
    (tmp_path / "dropnote.toml").write_text(text)
    environ = {"UPLOAD_BUCKET": PLAN.bucket, "TWILIO_ACCOUNT_SID": "AC" + "0" * 32}
    settings = load(tmp_path / "dropnote.toml", environ=environ, templates=["upload", "incident"])
    assert settings.bot.name == 'Acme "drops" smoke test'
    assert (settings.bot.owner, settings.bot.ping) == ("", "")
    assert [(person.email, person.sms, person.quiet) for person in settings.people.values()] == [(PERSON.email, PERSON.sms, ())]
    assert settings.buckets == (PLAN.bucket,)
    assert len(settings.monitors) == 1


def test_names_are_unique_and_texts_are_sent_on_request_only() -> None:
    plans = [make_plan("dev", some_settings()) for _ in range(20)]
    assert len({plan.stage for plan in plans}) == 20
    assert all(plan.bucket == f"dropnote-smoke-{plan.stage.removeprefix('smoke')}" for plan in plans)
    assert all(plan.channels == (Channel.EMAIL,) for plan in plans)
    assert Channel.SMS in make_plan("dev", some_settings(), "asha", texts=True).channels
    assert "texts at your Twilio rate" in make_plan("dev", some_settings(), "asha", texts=True).cost()


@pytest.mark.parametrize(
    ("options", "message"), [({"to": "nobody"}, "--to with one of"), ({"stage": "prod"}, "not the stage of a smoke")]
)
def test_invalid_plan_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        make_plan("dev", some_settings(), **options)  # type: ignore[arg-type]


@pytest.fixture
def event() -> Event:
    return Event(
        Kind.UPLOAD, "0" * 32, datetime(2026, 3, 2, 12, tzinfo=UTC), "eu-west-1",
        Upload("dropnote-smoke-a1b2c", "smoke/a b+c é.txt", 5, etag="d41d", sequencer="0055"),
    )  # fmt: skip


def test_repeated_event_is_the_one_that_s3_sent(event: Event) -> None:
    """Otherwise the repetition would be another upload, and the test would prove nothing."""
    first = from_notification(notification(event)).events[0]
    assert first.upload == event.upload
    assert from_notification(notification(first)).events[0].identity == first.identity


def test_account_error_of_a_step_is_in_the_report(ministack: MiniStack) -> None:
    test, _ = smoke(ministack, "deploy", lambda: (_ for _ in ()).throw(ClientError({"Error": {"Code": "Denied"}}, "CreateRole")))
    test.run()
    (failed,) = (step for step in test.report.steps if step.state == "failed")
    assert "Denied" in failed.lines[-1]


@pytest.fixture
def account(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> MiniStack:
    """An account as a user's own, for the command."""
    monkeypatch.setattr("workbench.cli.deploy.smoke.clients", ministack.client)
    return ministack


def run(tmp_path: Path, *options: str, typed: str = "") -> Result:
    command = ["smoke", "--stage", "dev", "--report", str(tmp_path / "report.json"), *options]
    return CliRunner().invoke(main, command, input=typed)


def test_unverified_sender_stops_the_test_before_anything_is_created(account: MiniStack, tmp_path: Path) -> None:
    result = run(tmp_path, "--yes")
    assert (result.exit_code, "SES has not verified drops@example.com" in result.output) == (1, True)
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("typed", ["", "n\n"])
def test_test_announces_itself_and_starts_only_after_a_yes(account: MiniStack, tmp_path: Path, typed: str) -> None:
    verify_sender(account, "drops@example.com")
    result = run(tmp_path, typed=typed)
    assert result.exit_code == 1
    for line in (f"account {ACCOUNT}, region {REGION}", "3 test messages each to asha@example.com", "less than one cent of AWS"):
        assert line in result.output
    assert account.client("s3").list_buckets()["Buckets"] == []


def test_clean_removes_what_an_earlier_test_left(account: MiniStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, "run", lambda *arguments, **options: "")
    account.client("s3").create_bucket(Bucket=PLAN.bucket)
    result = run(tmp_path, "--clean", STAGE, typed="y\n")
    assert f"removes   bucket {PLAN.bucket} and stage {STAGE}" in result.output
    assert result.exit_code == 0, result.output
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert [step["title"] for step in json.loads((tmp_path / "report.json").read_text())["steps"]] == ["remove"]
