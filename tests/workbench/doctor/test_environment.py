"""The doctor and the watch in a local world that has just started, as `make run` starts it."""

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

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(port=0, desk_port=0, state=tmp_path_factory.mktemp("state")) as running:
        yield running


def invoke(world: LocalEnvironment, handler: str) -> Any:
    answer = world.ministack.client("lambda").invoke(FunctionName=f"dropnote-local-{handler}", Payload=b"{}")
    told = json.load(answer["Payload"])
    assert "FunctionError" not in answer, told
    return told


def looked(world: LocalEnvironment) -> int:
    """The watch looks at the bot itself once an hour; now that was two hours ago. How many troubles does it find?"""
    store = TableStore(world.ministack.client("dynamodb"), world.running.ledger)
    store.put("checked", msgspec.json.encode(utc_now() - timedelta(hours=2)).decode())
    troubles: int = invoke(world, "watch")["troubles"]
    return troubles


def test_fresh_world_is_well_after_its_first_sweep(world: LocalEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.account.read_running", lambda: world.running)
    invoke(world, "sweep")
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, [line for line in result.stdout.splitlines() if not line.startswith("ok")]) == (0, [])


def test_watch_may_ask_all_that_it_asks(world: LocalEnvironment) -> None:
    invoke(world, "sweep")
    assert looked(world) == 0
    told = [line for line in world.ministack.log.read_text().splitlines() if '"watched"' in line]
    assert told
    assert "unanswered" not in told[-1]


def test_watch_tells_the_owner_of_an_overwritten_bucket_once(world: LocalEnvironment) -> None:
    s3, bucket = world.ministack.client("s3"), world.running.bucket
    ours = s3.get_bucket_notification_configuration(Bucket=bucket)
    ours.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        assert [looked(world) for _ in range(2)] == [1, 1]
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=ours)
    subjects = [mail["Subject"] for mails in mails_of(world).values() for mail in mails]
    assert subjects.count("[local] acme-drops is in trouble") == 1, subjects


def mails_of(world: LocalEnvironment) -> dict[str, list[dict[str, Any]]]:
    import requests

    told: dict[str, list[dict[str, Any]]] = requests.get(
        f"{world.ministack.endpoint}/_ministack/ses/messages", timeout=20
    ).json()["messages"]
    return told
