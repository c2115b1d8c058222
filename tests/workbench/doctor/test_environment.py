"""The doctor and the watch in a local environment that has just started, as `make run` starts it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from chalicelib.platform.clock import utc_now
from chalicelib.store.control import TableStore
from workbench.cli.main import main
from workbench.local.environment import LocalEnvironment
from workbench.local.mailbox import Mailbox

pytestmark = pytest.mark.environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(port=0, server_port=0, state=tmp_path_factory.mktemp("state")) as running:
        yield running


def invoke(environment: LocalEnvironment, handler: str) -> Any:
    response = environment.ministack.client("lambda").invoke(FunctionName=f"dropnote-local-{handler}", Payload=b"{}")
    result = json.load(response["Payload"])
    assert "FunctionError" not in response, result
    return result


def run_hourly_check(environment: LocalEnvironment) -> int:
    """Pretend that the last hourly check was two hours ago, and run the watch. The number of problems it finds."""
    store = TableStore(environment.ministack.client("dynamodb"), environment.running.ledger)
    store.put("checked", msgspec.json.encode(utc_now() - timedelta(hours=2)).decode())
    return int(invoke(environment, "watch")["troubles"])


def test_new_environment_has_no_findings_after_its_first_sweep(
    environment: LocalEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.account.read_running", lambda: environment.running)
    invoke(environment, "sweep")
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, [line for line in result.stdout.splitlines() if not line.startswith("ok")]) == (0, [])


def test_watch_has_permission_for_every_check(environment: LocalEnvironment) -> None:
    invoke(environment, "sweep")
    assert run_hourly_check(environment) == 0
    lines = [line for line in environment.ministack.log.read_text().splitlines() if '"watched"' in line]
    assert lines
    assert "unanswered" not in lines[-1]


def test_watch_notifies_the_owner_of_an_overwritten_bucket_once(environment: LocalEnvironment) -> None:
    s3, bucket = environment.ministack.client("s3"), environment.running.bucket
    original = s3.get_bucket_notification_configuration(Bucket=bucket)
    original.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        assert [run_hourly_check(environment) for _ in range(2)] == [1, 1]
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=original)
    subjects = [mail.subject for mail in Mailbox(environment.ministack.endpoint).read().mails]
    assert subjects.count("[local] acme-drops has a problem") == 1, subjects
