"""`dropnote roll-back`: the sweep of commit 0ff2985 finds every delivery that this version left in its queues."""

from collections.abc import Callable
from datetime import timedelta
from threading import Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.platform.clock import from_ms
from chalicelib.store.rows import Item
from tests.store.earlier_reader import due_ids, is_due, problems
from tests.support.builders import an_upload
from tests.support.providers import Answer
from tests.support.stages import TABLE, Stage, real_stage
from workbench.local.ministack import MiniStack
from workbench.versions.roll_back import SETTLE, move_waiting, roll_back

MINUTE = timedelta(minutes=1)


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return ministack.client("dynamodb")


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    """Two mails and two texts wait: held back, for a retry, and for a look-up."""
    stage = real_stage(ministack)
    stage.mail.answers += [Answer.UNREACHABLE]
    stage.text.answers += [Answer.LOST_AFTER]
    stage.take(an_upload("in/first.pdf", sequencer="01"))
    stage.bot.intake.hold(an_upload("in/second.pdf", sequencer="02"), Reason.WAITING)
    return stage


def waiting(stage: Stage) -> dict[str, Delivery]:
    return {row.id: row for row in stage.all_rows() if isinstance(row, Delivery) and row.due_at}


def items(client: Any) -> dict[str, Item]:
    return {item["pk"]["S"]: item for item in client.scan(TableName=TABLE)["Items"] if item["sk"]["S"] == "delivery"}


def without_due(stored: dict[str, Item]) -> list[Item]:
    return [{name: value for name, value in item.items() if name != "due"} for item in stored.values()]


def test_earlier_version_finds_what_waits_and_what_has_expired(stage: Stage, client: Any) -> None:
    rows = waiting(stage)
    assert {row.state for row in rows.values()} == {State.HELD, State.RETRY, State.UNKNOWN}
    expired = stage.now + timedelta(days=2)  # then it records that, and notifies the owner
    assert due_ids(client, TABLE, expired) == set()
    before = items(client)
    assert move_waiting(client, TABLE) == len(rows) == 4
    assert due_ids(client, TABLE, expired) == set(rows)
    after = items(client)
    assert without_due(after) == without_due(before)
    assert all(is_due(item) and not problems(item) for item in after.values())


def test_moving_again_changes_nothing(stage: Stage, client: Any) -> None:
    move_waiting(client, TABLE)
    before = items(client)
    assert move_waiting(client, TABLE) == 0
    assert items(client) == before


def test_this_version_sends_moved_messages_once(stage: Stage, client: Any) -> None:
    """It may still run, or be deployed again."""
    move_waiting(client, TABLE)
    stage.mail.answers += [Answer.UNREACHABLE]
    stage.sweep_for(hours=1)
    assert sorted(stage.addresses()) == ["+919812345678"] * 2 + ["asha@example.com"] * 2
    assert waiting(stage) == {}


class Race:
    """A DynamoDB client; something else happens before its first update."""

    def __init__(self, client: Any, happens: Callable[[], object]) -> None:
        self._client, self._happens, self._first = client, happens, Lock()  # rows are moved in parallel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def update_item(self, **request: Any) -> Any:
        if self._first.acquire(blocking=False):
            self._happens()
        return self._client.update_item(**request)


def test_message_that_is_sent_meanwhile_is_left_alone(stage: Stage, client: Any) -> None:
    moved = move_waiting(Race(client, lambda: stage.sweep_for(minutes=30)), TABLE)
    assert moved < 4
    assert {item["state"]["S"] for item in items(client).values()} == {"sent"}
    assert not any("due" in item for item in items(client).values())
    assert len(stage.sent) == 4


def test_row_that_cannot_be_moved_does_not_stop_the_others(stage: Stage, client: Any) -> None:
    def refuse() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "UpdateItem")

    with pytest.raises(ClientError, match="AccessDenied"):
        move_waiting(Race(client, refuse), TABLE)
    assert len(due_ids(client, TABLE, stage.now + timedelta(days=2))) == 3
    assert move_waiting(client, TABLE) == 1


def test_messages_that_replaced_functions_still_write_are_moved(stage: Stage, client: Any) -> None:
    replaced_at, ends_at = stage.now, stage.now + 1.5 * MINUTE
    late = iter(range(100))

    def pause(seconds: float) -> None:
        stage.later(seconds=seconds)
        if stage.now < ends_at:  # a function that began before the deploy
            number = next(late)
            stage.bot.intake.hold(an_upload(f"in/late-{number}.pdf", sequencer=f"A{number}"), Reason.WAITING)

    moved = roll_back(client, TABLE, replaced_at, stage.clock, pause)
    assert moved == len(waiting(stage)) > 4
    assert due_ids(client, TABLE, stage.now + MINUTE) == set(waiting(stage))
    assert stage.now >= replaced_at + SETTLE


def test_stage_replaced_long_ago_is_not_waited_for(stage: Stage, client: Any) -> None:
    pauses: list[float] = []
    assert roll_back(client, TABLE, from_ms(0), stage.clock, pauses.append) == 4
    assert len(pauses) == 1  # a second pass finds nothing
