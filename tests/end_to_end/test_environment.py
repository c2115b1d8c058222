"""The local world from end to end: started as `make run` does, once for all tests."""

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
from workbench.cli.main import main
from workbench.local.demo.demo import upload_by_rclone
from workbench.local.environment import LocalEnvironment, LocalEnvironmentError
from workbench.local.running import read_running
from workbench.paths import PROJECT
from workbench.waiting import wait_until

pytestmark = pytest.mark.world
HOW_IT_ENDS = {"email": "sent", "sms": "delivered"}  # Twilio sends a receipt, SES none that we ask for


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def world(state: Path) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(port=0, desk_port=0, state=state) as running:
        yield running


def function(world: LocalEnvironment, handler: str) -> str:
    """The ARN of the function that a handler became; "" for the one behind the REST API."""
    name = f"dropnote-local-{handler}" if handler else "dropnote-local"
    arn: str = world.ministack.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    return arn


def rules_of(world: LocalEnvironment, handler: str) -> list[dict[str, Any]]:
    """The bus rules that have the handler's function as a target."""
    events, arn = world.ministack.client("events"), function(world, handler)
    names = events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    return [events.describe_rule(Name=name) for name in names]


def test_world_file_tells_of_the_running_world(world: LocalEnvironment, state: Path) -> None:
    assert read_running(state) == world.running
    assert world.running.pid == os.getpid()


def test_bucket_tells_the_upload_function_and_the_bus(world: LocalEnvironment) -> None:
    told = world.ministack.client("s3").get_bucket_notification_configuration(Bucket=world.running.bucket)
    (direct,) = told["LambdaFunctionConfigurations"]
    assert direct["LambdaFunctionArn"] == function(world, "upload_dropnote_uploads")
    assert direct["Events"] == ["s3:ObjectCreated:*"]
    assert told["EventBridgeConfiguration"] == {}


def test_bus_rule_carries_uploads_of_the_rules_buckets(world: LocalEnvironment) -> None:
    (rule,) = rules_of(world, "upload_events")
    pattern = json.loads(rule["EventPattern"])
    assert pattern["detail-type"] == ["Object Created"]
    assert world.running.bucket in pattern["detail"]["bucket"]["name"]


def test_sweep_runs_every_minute(world: LocalEnvironment) -> None:
    (rule,) = rules_of(world, "sweep")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")


def test_health_answers_through_the_rest_api(world: LocalEnvironment) -> None:
    assert world.running.api is not None
    answer = requests.get(f"{world.running.api}/health", timeout=20)
    assert answer.status_code == 200
    assert answer.json()["stage"] == "local"


def test_test_function_is_there_and_answers(world: LocalEnvironment) -> None:
    answer = world.ministack.client("lambda").invoke(FunctionName=function(world, "test"), Payload=b"{}")
    assert "error" in json.load(answer["Payload"])
    assert "FunctionError" not in answer


def inbox_of(world: LocalEnvironment, name: str) -> tuple[int, int]:
    """How many texts and mails tell of a file."""
    inbox = requests.get(f"{world.running.desk}/inbox.json", timeout=20).json()
    return (
        sum(name in text["body"] for text in inbox["texts"]),
        sum(name in mail["subject"] for mail in inbox["mails"]),
    )


def test_upload_by_any_client_gives_one_text_and_one_mail(world: LocalEnvironment, tmp_path: Path) -> None:
    names = ["by boto3 + more.txt", "by rclone ü 🎉.csv", "by aws.pdf"]
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_bytes(b"some words")
    running, programs = world.running, Path(sys.executable).parent
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
    wait_until(lambda: all(inbox_of(world, name) >= (1, 1) for name in names), within_s=20)
    ledger, now = Ledger(running.client("dynamodb"), running.ledger), utc_now()
    rows = [row for row in ledger.newest(now - timedelta(hours=1), now) if isinstance(row, Delivery) and row.event.upload]
    told = [row.id for row in rows if row.event.upload and row.event.upload.key[3:] in names]

    def ends() -> list[bool]:
        return [row.state == HOW_IT_ENDS[row.channel] for row in map(ledger.get, told) if row]

    assert wait_until(lambda: all(ends()), within_s=20)
    assert len(ends()) == 6
    assert [inbox_of(world, name) for name in names] == [(1, 1)] * 3  # and no more


def test_commands_of_every_day(world: LocalEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    for module in ("cli.main", "account"):
        monkeypatch.setattr(f"workbench.{module}.read_running", lambda: world.running)
    file = tmp_path / "by command.txt"
    file.write_text("some words")
    assert "s3://dropnote-uploads/in/by command.txt" in run("put", str(file), "in/by command.txt").output
    wait_until(lambda: inbox_of(world, "by command") >= (1, 1), within_s=20)
    rows = json.loads(run("log", "--json").output)
    assert {row["state"] for row in rows if row["what"] == "in/by command.txt"} <= {"sent", "delivered"}
    assert "in/by command.txt" in run("log", "-n", "2").output
    told = json.loads(run("test", "finance", "--json").output)["deliveries"]
    assert [(each["person"], each["channel"], each["state"]) for each in told] == [
        ("asha", "email", "sent"), ("asha", "sms", "sent"), ("ben", "email", "sent"),
    ]  # fmt: skip
    nobody = run("test", "ahsa")
    assert (nobody.exit_code, "did you mean 'asha'?" in nobody.output) == (1, True)


def test_second_world_in_the_same_place_is_refused(world: LocalEnvironment, state: Path) -> None:
    with pytest.raises(LocalEnvironmentError, match=f"already runs here .process {os.getpid()}"):
        LocalEnvironment(port=0, desk_port=0, state=state).__enter__()


@pytest.mark.parametrize(("ports", "flag"), [(("port", "desk_port"), "--port"), (("desk_port", "port"), "--desk-port")])
def test_taken_port_is_said_with_the_flag_that_changes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: tuple[str, str], flag: str
) -> None:
    taken, free = ports
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalEnvironmentError, match=f"Port {port} is in use .* {flag} "):
            LocalEnvironment(state=tmp_path / "state", **{taken: port, free: 0}).__enter__()
    assert list((tmp_path / "temp").iterdir()) == []


def test_sigterm_leaves_nothing_behind(tmp_path: Path) -> None:
    program = f"""
import tempfile, time
from pathlib import Path
from workbench.local.environment import LocalEnvironment
tempfile.tempdir = {str(tmp_path / "temp")!r}
with LocalEnvironment(port=0, desk_port=0, state=Path({str(tmp_path / "state")!r})) as world:
    print("ready", flush=True)
    time.sleep(120)
"""
    (tmp_path / "temp").mkdir()
    runner = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    assert runner.stdout.readline() == "ready\n"
    found = read_running(tmp_path / "state")
    assert found is not None
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(20) == 128 + signal.SIGTERM
    runner.stdout.close()
    assert list((tmp_path / "temp").iterdir()) == []
    assert not (tmp_path / "state" / "world.json").exists()
