"""Rolling back by one version loses nothing: commit 0ff2985 can read every row that this version writes, and this version
continues with what it changed. And the other way round: rows of a later version are left alone.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.delivery.resend import Filter, redrivable
from chalicelib.domain.bundle import Bundle, Window
from chalicelib.domain.delivery import Delivery, Reason, State, Step
from chalicelib.domain.event import Severity
from chalicelib.domain.monitor import MonitorState
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.policy.controls import ChannelPace
from chalicelib.policy.counts import Count, CountRecord
from chalicelib.store.counts.counters import Counters
from chalicelib.store.members import lane_to_item, window_from_item
from chalicelib.store.rows import Item, Parked, bundle_to_item, delivery_from_item, delivery_to_item, versions
from chalicelib.store.rows.versions import SCHEMA, STORED_AS, UnreadableRow
from tests.store.earlier_reader import is_due, json_problems, kind_of, problems
from tests.store.earlier_version import WRITTEN, items
from tests.store.test_compatibility import upload_to
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import COUNTERS, TABLE, Stage, counters_client, plenty, real_stage
from workbench.local.ministack import MiniStack
from workbench.versions.roll_back import move_waiting

SECTIONS = ("waiting", "ended", "kinds", "bundles", "counting", "parked", "control", "incidents")


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    return real_stage(ministack, some_settings(WRITTEN["settings"]))


def rows(ministack: MiniStack, table: str = TABLE) -> list[Item]:
    pages = ministack.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


def later(item: Item, **attributes: Any) -> Item:
    """The row as a later version would write it."""
    return {**item, "v": {"N": str(SCHEMA + 1)}, **attributes}


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(versions, "_logged", set())
    monkeypatch.setattr("chalicelib.platform.log.warning", lambda happened, **facts: lines.append(f"{happened} {facts}"))
    return lines


# --- the earlier version reads what this one writes


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_of_continued_work_can_be_read(ministack: MiniStack, section: str) -> None:
    """The rows of the earlier version, continued for two hours by this one, and new events of every kind."""
    settings: Settings = some_settings(WRITTEN["settings"])
    stage = real_stage(ministack, settings)
    for item in items(section):
        ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    stage.now = datetime.fromisoformat(WRITTEN[section]["now"])
    stage.take(*(an_upload(f"in/new-{number}.csv", sequencer=f"F{number}") for number in range(8)))
    if section == "incidents":
        stage.now = NOON + timedelta(minutes=2, seconds=30)  # no check is due: only what was not sent is sent
        stage.bot.watch.run(settings.monitors, plenty)
    stage.sweep_for(hours=2)
    move_waiting(ministack.client("dynamodb"), TABLE)  # `dropnote roll-back`
    written = rows(ministack)
    assert len(written) > 8
    assert [problem for item in written for problem in problems(item)] == []
    assert all(is_due(item) for item in written)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("reason", list(Reason))
def test_every_state_and_reason_can_be_read_and_is_read_back(state: State, reason: Reason) -> None:
    steps = tuple(Step(NOON + timedelta(seconds=number), state, step, "why") for number, step in enumerate((reason, Reason.DUE)))
    for delivery in (
        a_delivery(state=state, reason=reason),
        a_delivery(state=state, reason=Reason.DUE, steps=steps),
        a_delivery(state=state, reason=reason, steps=steps[::-1]),
    ):
        item = delivery_to_item(delivery)
        assert problems(item) == []
        assert delivery_from_item(item) == delivery


def test_window_and_bundle_have_the_texts_that_the_earlier_version_compares() -> None:
    lead = an_upload("in/first.csv")
    window = Window(NOON, NOON, NOON, NOON, lead=lead, severity=Severity.WARNING, recent=(NOON, NOON + timedelta(seconds=1)))
    item = lane_to_item("0" * 32, window)
    assert problems(item) == []
    assert window_from_item(item) == window
    opened = replace(window, until=NOON + timedelta(minutes=10), recent=())
    assert problems(bundle_to_item(Bundle("0" * 32, "1" * 32, NOON, NOON, window=opened, hours=frozenset({"late"})))) == []


def test_counters_can_be_read(ministack: MiniStack) -> None:
    client = counters_client(ministack)
    assert Counters(client, COUNTERS).count([CountRecord("a", NOON, (Count("orders", "paid"),))], NOON) == set()
    written = rows(ministack, COUNTERS)
    assert {kind_of(item) for item in written} == {"count", "mark"}
    assert [problem for item in written for problem in problems(item)] == []


def test_contract_notices_what_the_earlier_version_cannot_read() -> None:
    item = delivery_to_item(a_delivery())
    assert problems({**item, "reason": {"S": "new-word"}}) == ["delivery: unknown reason 'new-word'"]
    assert problems({name: value for name, value in item.items() if name != "attempts"}) == ["delivery: attempts is missing"]
    assert problems({**item, "steps": {"S": '[[1, "sent", "new-word"]]'}}) == ["delivery: unreadable step sent new-word"]
    window = {"spell": "", "start": "", "until": "", "due": "", "recent": []}
    assert list(json_problems(window, {"$ref": "Window"}, "window", exact=True)) != []
    assert list(json_problems(window, {"$ref": "Window"}, "window", exact=False)) == []


# --- and this version continues with what the earlier one changed


def test_exact_reason_is_forgotten_once_the_earlier_version_has_changed_the_row() -> None:
    waits = a_delivery(state=State.RETRY, reason=Reason.QUOTA, steps=(Step(NOON, State.RETRY, Reason.QUOTA),))
    item = delivery_to_item(waits)
    changed = {**item, "steps": {"S": json.dumps([*json.loads(item["steps"]["S"]), [9, "retry", "rate-limited"]])}}
    row = delivery_from_item(changed)
    assert (row.reason, [step.reason for step in row.steps]) == (Reason.RATE, [Reason.QUOTA, Reason.RATE])


def test_window_that_the_earlier_version_replaced_is_continued(stage: Stage, ministack: MiniStack) -> None:
    old = Window(NOON, NOON, NOON, NOON, recent=(NOON,))
    assert stage.bundles.replace_window("0" * 32, None, old)
    new = replace(old, due=NOON + timedelta(minutes=1))
    item = lane_to_item("0" * 32, new)
    earlier = {name: value for name, value in item.items() if name not in ("v", "recent")}  # it drops what it does not know
    ministack.client("dynamodb").put_item(TableName=TABLE, Item=earlier)
    assert not stage.bundles.replace_window("0" * 32, old, replace(old, due=NOON + timedelta(minutes=2)))
    (stored,) = [stage.bundles.window("0" * 32)]
    assert stored == replace(new, recent=())
    assert stage.bundles.replace_window("0" * 32, stored, new)


def test_window_with_recent_in_its_text_is_continued(stage: Stage, ministack: MiniStack) -> None:
    """As written between 0ff2985 and this version."""
    window = Window(NOON, NOON, NOON, NOON, recent=(NOON,))
    item = {**lane_to_item("0" * 32, window), "window": {"S": msgspec.json.encode(window).decode()}}
    del item["recent"]
    ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    assert stage.bundles.window("0" * 32) == window
    assert stage.bundles.replace_window("0" * 32, window, replace(window, recent=(NOON, NOON)))


# --- rows of a later version


def test_due_row_of_a_later_version_is_left_alone_and_the_others_are_sent(
    stage: Stage, ministack: MiniStack, warnings: list[str]
) -> None:
    stage.answer(Answer.UNREACHABLE, Answer.UNREACHABLE)
    stage.take(an_upload("in/a.pdf", sequencer="01"), an_upload("in/b.pdf", sequencer="02"))
    waiting = [item for item in rows(ministack) if kind_of(item) == "delivery" and "due" in item]
    assert len(waiting) == 4
    theirs = later(waiting[0])
    unknown = {**waiting[1], "reason": {"S": "a-later-word"}}
    for item in (theirs, unknown):
        ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    stage.sweep_for(minutes=30)
    assert len(stage.sent) == 2
    assert all(item in rows(ministack) for item in (theirs, unknown))
    assert any("row-left-alone" in line and "has version 2; this version of Dropnote reads 1" in line for line in warnings)
    assert any("a-later-word" in line for line in warnings)


def test_event_of_a_later_versions_row_is_not_sent_again(stage: Stage, ministack: MiniStack) -> None:
    stage.take(an_upload("in/a.pdf"))
    sent = list(stage.sent)
    theirs = [later(item) for item in rows(ministack) if kind_of(item) == "delivery"]
    for item in theirs:
        ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    stage.take(an_upload("in/a.pdf"))
    assert stage.sent == sent
    assert all(item in rows(ministack) for item in theirs)


def test_uploads_are_sent_one_by_one_while_their_window_is_a_later_versions(stage: Stage, ministack: MiniStack) -> None:
    first = [upload_to("bundled-drops", f"in/{number}.csv") for number in range(7)]
    stage.take(*first)
    before = len(stage.sent)
    lanes = [later(item) for item in rows(ministack) if kind_of(item) == "lane"]
    for item in lanes:
        ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    restarted = Stage(stage.ledger, stage.store, stage.bundles, stage.settings, incidents=stage.incidents)  # remembers no window
    restarted.now = stage.now
    restarted.take(*first, upload_to("bundled-drops", "in/new.csv"))
    assert len(restarted.sent) == 1  # the new one; those that the ledger or the window has are not repeated
    assert before == 5
    assert [item for item in rows(ministack) if kind_of(item) == "lane"] == lanes


def test_bundle_of_a_later_version_takes_members_and_is_not_sent(stage: Stage, ministack: MiniStack) -> None:
    stage.take(upload_to("quiet-drops", "in/1.csv"))
    (theirs,) = [later(item) for item in rows(ministack) if kind_of(item) == "bundle"]
    ministack.client("dynamodb").put_item(TableName=TABLE, Item=theirs)
    stage.take(upload_to("quiet-drops", "in/2.csv"))
    stage.sweep_for(hours=3)
    assert stage.sent == []
    assert len([item for item in rows(ministack) if kind_of(item) == "member" and "rule" in item]) == 2  # the recipient's
    ours = {**theirs, "v": {"N": str(SCHEMA)}}  # the later version is back
    ministack.client("dynamodb").put_item(TableName=TABLE, Item=ours)
    stage.sweep_for(minutes=5)
    assert len(stage.mail.accepted) == 1


def test_parked_payload_of_a_later_version_stays(stage: Stage, ministack: MiniStack) -> None:
    stage.ledger.park(Parked("ab" * 16, "s3", "unknown", NOON, b"{}"))
    (theirs,) = [later(item) for item in rows(ministack)]
    ministack.client("dynamodb").put_item(TableName=TABLE, Item=theirs)
    stage.now = NOON + timedelta(minutes=1)
    assert list(redrivable(stage.bot.intake, Filter(NOON - timedelta(hours=1)))) == []
    assert rows(ministack) == [theirs]


def test_monitor_state_of_a_later_version_is_kept(stage: Stage, ministack: MiniStack) -> None:
    stage.incidents.save(MonitorState("shop"), MonitorState("shop", version=1), NOON)
    theirs = [later(item) for item in rows(ministack) if kind_of(item) == "standing"]
    assert theirs
    for item in theirs:
        ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
    assert stage.incidents.all() == {}
    assert not stage.incidents.save(MonitorState("shop"), MonitorState("shop", version=1), NOON)  # as for a new monitor
    assert [item for item in rows(ministack) if kind_of(item) == "standing"] == theirs


def test_unreadable_control_values_do_not_hide_the_others(stage: Stage, ministack: MiniStack, warnings: list[str]) -> None:
    control = stage.deliverer.control
    control.record_pace(Channel.EMAIL, ChannelPace(14.0, 14.0, NOON))
    control.record_first_bundle("abc")
    (item,) = [row for row in rows(ministack) if kind_of(row) == "control"]
    ministack.client("dynamodb").put_item(
        TableName=TABLE, Item=later(item, silence_uploads={"S": '{"until": "a later form"}'}, new_thing={"S": "{"})
    )
    stage.later(minutes=1)
    assert control.now().first_bundle == "abc"
    assert any("silence of the control item" in line for line in warnings)


def test_every_row_has_a_version_except_members_and_marks(stage: Stage, ministack: MiniStack) -> None:
    stage.take(*(upload_to("bundled-drops", f"in/{number}.csv") for number in range(7)), upload_to("quiet-drops", "in/q.csv"))
    stage.incidents.save(MonitorState("shop"), MonitorState("shop", version=1), NOON)
    stage.ledger.park(Parked("ab" * 16, "s3", "unknown", NOON))
    stage.ledger.claim_receipt("SM1", "0" * 32, NOON)
    stage.deliverer.control.record_first_bundle("abc")
    written = rows(ministack)
    assert {kind_of(item) for item in written if "v" not in item} == {"member"}
    kinds = {"delivery", "bundle", "lane", "member", "parked", "receipt", "standing", "control", "budget"}
    assert kinds <= {kind_of(item) for item in written}


def test_unreadable_row_names_itself() -> None:
    item = later(delivery_to_item(a_delivery()))
    with pytest.raises(UnreadableRow, match=r"the row delivery#\w+ has version 2"):
        delivery_from_item(item)
    assert set(STORED_AS) == {Reason.QUOTA, Reason.WAITING}


def a_delivery(**changes: Any) -> Delivery:
    event = an_upload()
    delivery = Delivery("ab" * 16, event, "uploads", "asha", Channel.EMAIL, NOON, NOON + timedelta(days=1))
    return replace(delivery, **changes)
