"""The local environment from end to end: started as `make run` does, once for all tests."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from chalicelib.domain.delivery import Delivery
from chalicelib.platform.clock import utc_now
from chalicelib.store.ledger import Ledger
from tests.support.log_scan import function_lines
from workbench.cli.main import main
from workbench.local.demo.demo import upload_by_rclone
from workbench.local.environment import LocalEnvironment, LocalEnvironmentError
from workbench.local.proxy.proxy import Proxy
from workbench.local.running import read_running
from workbench.local.strict.http_requests import check_requests
from workbench.paths import PROJECT
from workbench.ports import free_port
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment
FINAL_STATES = {"email": "sent", "sms": "delivered"}  # Twilio sends a receipt; we request none from SES


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def environment(state: Path) -> Iterator[LocalEnvironment]:
    """The local environment. At the end, every request of its functions must be one that AWS would accept."""
    port = free_port()
    with Proxy(f"http://127.0.0.1:{port}") as proxy:
        variables = {"AWS_ENDPOINT_URL": proxy.url}
        with LocalEnvironment(port=port, server_port=0, state=state, environment=variables) as running:
            yield running
        checked, problems = check_requests(proxy.requests())
    assert checked["dynamodb TransactWriteItems"]
    assert not problems


def function(environment: LocalEnvironment, handler: str) -> str:
    """The ARN of a handler's function; "" is the function behind the REST API."""
    name = f"dropnote-local-{handler}" if handler else "dropnote-local"
    return str(environment.ministack.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"])


def rules_of(environment: LocalEnvironment, handler: str) -> list[dict[str, Any]]:
    """The EventBridge rules with the handler's function as a target."""
    events, arn = environment.ministack.client("events"), function(environment, handler)
    names = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    return [events.describe_rule(Name=name) for name in names]


def test_recorded_payload_is_sent_once_through_the_deployed_function(
    environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.account.read_running", lambda: environment.running)
    sample = str(PROJECT / "workbench" / "samples" / "payloads" / "dynamodb-stream.json")

    def simulate() -> dict[str, Any]:
        result = CliRunner().invoke(main, ["simulate", sample, "--json"])
        assert result.exit_code == 0, result.output
        (answer,) = json.loads(result.stdout)
        assert isinstance(answer, dict)
        return answer

    first, second = simulate(), simulate()
    event, _ = first["events"]  # the other one notifies nobody
    deliveries = {rule["rule"]: rule["deliveries"] for rule in event["rules"]}
    assert [delivery["channel"] for delivery in deliveries["rejected orders"]] == ["email"]
    assert (deliveries["orders"], first["repeated"]) == ([], [])
    assert second["repeated"] == [event["event_id"]]
    explained = CliRunner().invoke(main, ["explain", event["event_id"][:12]])
    assert "asha by email: sent" in explained.output
    assert message_counts(environment, "Order 17 is rejected") == (0, 1)


def test_running_environment_is_described_in_its_file(environment: LocalEnvironment, state: Path) -> None:
    assert read_running(state) == environment.running
    assert environment.running.pid == os.getpid()


def test_bucket_notifies_the_upload_function_and_eventbridge(environment: LocalEnvironment) -> None:
    client, bucket = environment.ministack.client("s3"), environment.running.bucket
    notifications = client.get_bucket_notification_configuration(Bucket=bucket)
    (direct,) = notifications["LambdaFunctionConfigurations"]
    assert direct["LambdaFunctionArn"] == function(environment, "upload_dropnote_uploads")
    assert direct["Events"] == ["s3:ObjectCreated:*"]
    assert notifications["EventBridgeConfiguration"] == {}


def test_eventbridge_rule_matches_uploads_to_the_rules_buckets(environment: LocalEnvironment) -> None:
    (rule,) = rules_of(environment, "upload_events")
    pattern = json.loads(rule["EventPattern"])
    assert pattern["detail-type"] == ["Object Created"]
    assert environment.running.bucket in pattern["detail"]["bucket"]["name"]


def test_sweep_runs_every_minute(environment: LocalEnvironment) -> None:
    (rule,) = rules_of(environment, "sweep")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")


def test_health_route_responds_through_the_rest_api(environment: LocalEnvironment) -> None:
    assert environment.running.api is not None
    response = requests.get(f"{environment.running.api}/health", timeout=20)
    assert response.status_code == 200
    assert response.json()["stage"] == "local"


def test_test_function_returns_its_own_error(environment: LocalEnvironment) -> None:
    response = environment.ministack.client("lambda").invoke(FunctionName=function(environment, "test"), Payload=b"{}")
    assert "error" in json.load(response["Payload"])
    assert "FunctionError" not in response


def test_lines_of_functions_have_the_ids_of_event_rule_and_delivery(environment: LocalEnvironment) -> None:
    """These are the lines in which the scan of all logs looks for addresses."""
    client, bucket = environment.ministack.client("s3"), environment.running.bucket
    client.put_object(Bucket=bucket, Key="in/logged.txt", Body=b"x")

    def sent() -> list[dict[str, str]]:
        lines = (json.loads(line) for line in function_lines(environment.ministack) if line.startswith("{"))
        return [line for line in lines if line.get("happened") == "sent"]

    assert wait_until(lambda: bool(sent()), within_s=20)
    ids = [[line[name] for name in ("event", "rule", "delivery")] for line in sent()]
    assert [len(event) for event, _, _ in ids] == [32] * len(ids)
    assert {rule for _, rule, _ in ids} <= {rule.name for rule in environment.settings.rules}


def message_counts(environment: LocalEnvironment, name: str) -> tuple[int, int]:
    """The number of texts and of mails about a file."""
    inbox = requests.get(f"{environment.running.server}/inbox.json", timeout=20).json()
    return (
        sum(name in text["body"] for text in inbox["texts"]),
        sum(name in mail["subject"] for mail in inbox["mails"]),
    )


def test_upload_by_any_client_sends_one_text_and_one_mail(environment: LocalEnvironment, tmp_path: Path) -> None:
    names = ["by boto3 + more.txt", "by rclone ü 🎉.csv", "by aws.pdf"]
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_bytes(b"some words")
    running, programs = environment.running, Path(sys.executable).parent
    running.client("s3").upload_file(str(files[0]), running.bucket, f"in/{names[0]}")
    upload_by_rclone(running, files[1], f"in/{names[1]}")
    subprocess.run(
        [programs / "aws", "--endpoint-url", running.endpoint, "s3", "cp", str(files[2]), f"s3://{running.bucket}/in/"],
        env={
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": running.access_key,
            "AWS_SECRET_ACCESS_KEY": running.secret_key,
            "AWS_DEFAULT_REGION": running.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        check=True,
        capture_output=True,
        timeout=60,
    )
    wait_until(lambda: all(message_counts(environment, name) >= (1, 1) for name in names), within_s=20)
    ledger, now = Ledger(running.client("dynamodb"), running.ledger), utc_now()
    rows = [row for row in ledger.newest(now - timedelta(hours=1), now) if isinstance(row, Delivery) and row.event.upload]
    ids = [row.id for row in rows if row.event.upload and row.event.upload.key[3:] in names]

    def ended() -> list[bool]:
        return [row.state == FINAL_STATES[row.channel] for row in map(ledger.get, ids) if row]

    assert wait_until(lambda: all(ended()), within_s=20)
    assert len(ended()) == 6
    assert [message_counts(environment, name) for name in names] == [(1, 1)] * 3  # and no more


def test_everyday_commands(environment: LocalEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    for module in ("cli.first_steps.put", "account"):
        monkeypatch.setattr(f"workbench.{module}.read_running", lambda: environment.running)
    file = tmp_path / "by command.txt"
    file.write_text("some words")
    assert "s3://dropnote-uploads/in/by command.txt" in run("put", str(file), "in/by command.txt").output
    wait_until(lambda: message_counts(environment, "by command") >= (1, 1), within_s=20)
    rows = json.loads(run("log", "--json").output)
    assert {row["state"] for row in rows if row["what"] == "in/by command.txt"} <= {"sent", "delivered"}
    assert "in/by command.txt" in run("log", "-n", "2").output
    deliveries = json.loads(run("test", "finance", "--json").output)["deliveries"]
    assert [(delivery["person"], delivery["channel"], delivery["state"]) for delivery in deliveries] == [
        ("asha", "email", "sent"), ("asha", "sms", "sent"), ("ben", "email", "sent"),
    ]  # fmt: skip
    unknown = run("test", "ahsa")
    assert (unknown.exit_code, "did you mean 'asha'?" in unknown.output) == (1, True)


def test_second_environment_in_the_same_folder_is_rejected(environment: LocalEnvironment, state: Path) -> None:
    with pytest.raises(LocalEnvironmentError, match=f"already running here .process {os.getpid()}"):
        LocalEnvironment(port=0, server_port=0, state=state).__enter__()


@pytest.mark.parametrize(
    ("taken", "free", "option"), [("port", "server_port", "--port"), ("server_port", "port", "--inbox-port")]
)
def test_port_in_use_is_reported_with_the_option_to_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str, free: str, option: str
) -> None:
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = LocalEnvironment(state=tmp_path / "state", **{taken: port, free: 0})
        with pytest.raises(LocalEnvironmentError, match=f"port {port} is in use .* {option} "):
            environment.__enter__()
    assert list((tmp_path / "temp").iterdir()) == []


def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    program = f"""
import tempfile, time
from pathlib import Path
from workbench.local.environment import LocalEnvironment
tempfile.tempdir = {str(tmp_path / "temp")!r}
with LocalEnvironment(port=0, server_port=0, state=Path({str(tmp_path / "state")!r})):
    print("ready", flush=True)
    time.sleep(120)
"""
    (tmp_path / "temp").mkdir()
    runner = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    assert read_running(tmp_path / "state") is not None
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(20) == 128 + signal.SIGTERM
    runner.stdout.close()
    assert list((tmp_path / "temp").iterdir()) == []
    assert not (tmp_path / "state" / "environment.json").exists()
