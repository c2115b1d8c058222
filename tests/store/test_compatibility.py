"""Rows stored by an earlier version: read into equal values, written back unchanged, and processed further.

Commit 0ff2985 wrote the items of written_by_0ff2985.json into its own tables, together with the values they stand for.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.delivery.resend import Filter, redrivable, redrive, resend
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Event, Kind, identity_of, one_line
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.policy.counts import Count, CountRecord
from chalicelib.policy.pacing.queue import queue_id
from chalicelib.store.counts.counters import Counters
from chalicelib.store.members import hour_of
from chalicelib.store.rows import (
    Item,
    Parked,
    bundle_from_item,
    bundle_to_item,
    delivery_from_item,
    delivery_to_item,
    parked_from_item,
    parked_to_item,
)
from tests.store.earlier_version import WRITTEN, items, parsed, plain, values
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.bundles import counts
from tests.support.providers import Accepted
from tests.support.stages import COUNTERS, TABLE, Stage, counters_client, plenty, real_stage
from workbench.local.ministack import MiniStack


@pytest.fixture
def load(ministack: MiniStack) -> Callable[[str], Stage]:
    """Creates a stage on a real table with the items of a section, at the time they were written."""

    def load_section(section: str) -> Stage:
        settings: Settings = some_settings(WRITTEN["settings"])
        stage = real_stage(ministack, settings)
        for item in items(section):
            ministack.client("dynamodb").put_item(TableName=TABLE, Item=item)
        stage.now = datetime.fromisoformat(WRITTEN[section]["now"])
        return stage

    return load_section


def redeliver(stage: Stage, deliveries: list[Delivery]) -> None:
    """Let the bot handle again the events of rule `uploads`."""
    stage.take(*{row.event.identity: row.event for row in deliveries if row.rule == "uploads"}.values())


def deliveries_of(stage: Stage) -> list[Delivery]:
    since = NOON - timedelta(days=1)
    return [row for row in stage.ledger.newest(since, stage.now + timedelta(days=1)) if isinstance(row, Delivery)]


# --- reading and writing


@pytest.mark.parametrize("section", ["waiting", "ended", "kinds"])
def test_deliveries_have_equal_values_and_are_written_unchanged(section: str) -> None:
    stored = items(section, "delivery")
    deliveries = [delivery_from_item(item) for item in stored]
    assert plain(*deliveries) == values(section)
    assert [parsed(delivery_to_item(delivery)) for delivery in deliveries] == [parsed(in_its_queue(item)) for item in stored]


def in_its_queue(item: Item) -> Item:
    """A waiting delivery has since been in a queue's partition of index `due`, in the same shard as before."""
    if item["state"]["S"] not in ("held", "retry", "unknown"):
        return item
    queue = queue_id(delivery_from_item(item))
    return item | {"due": {"S": f"{queue}/{item['due']['S']}"}}


def test_every_state_and_every_kind_of_event_is_covered() -> None:
    sections = ("waiting", "ended", "kinds", "bundles")
    deliveries = [delivery_from_item(item) for section in sections for item in items(section, "delivery")]
    assert {delivery.state for delivery in deliveries} == set(State)
    assert {delivery.event.kind for delivery in deliveries} == set(Kind)


@pytest.mark.parametrize("section", ["bundles", "counting"])
def test_bundles_have_equal_values_and_are_written_unchanged(section: str) -> None:
    stored = items(section, "bundle")
    bundles = [bundle_from_item(item) for item in stored]
    assert plain(*bundles) == values(section)
    assert [parsed(bundle_to_item(bundle)) for bundle in bundles] == [parsed(item) for item in stored]


def test_windows_and_members_have_equal_values(load: Callable[[str], Stage]) -> None:
    stage = load("bundles")
    bundles = sorted((bundle_from_item(item) for item in items("bundles", "bundle")), key=lambda bundle: bundle.id)
    windows = [stage.bundles.window(bundle.series) for bundle in bundles if bundle.window]
    assert plain(*windows) == values("bundles", "windows")
    members = [member for bundle in bundles for member in stage.bundles.members(bundle)]
    assert plain(*members) == values("bundles", "members")
    for bundle in bundles:
        for member in stage.bundles.members(bundle):
            assert stage.bundles.add_member(bundle.series, member).bundle == bundle.id


def test_parked_payloads_have_equal_values_and_are_written_unchanged() -> None:
    stored = items("parked", "parked")
    parked = [parked_from_item(item) for item in stored]
    assert plain(*parked) == values("parked")
    assert [parked_to_item(payload) for payload in parked] == stored


def test_control_item_has_equal_values(load: Callable[[str], Stage]) -> None:
    assert plain(load("control").deliverer.control.now()) == values("control")


def test_monitor_states_have_equal_values_and_are_written_unchanged(load: Callable[[str], Stage]) -> None:
    stage = load("incidents")
    states = stage.incidents.all()
    assert [json.loads(msgspec.json.encode(states[name])) for name in sorted(states)] == WRITTEN["incidents"]["values"]
    stored = {item["sk"]["S"]: parsed(item)["standing"] for item in items("incidents")}
    assert {name: json.loads(msgspec.json.encode(state)) for name, state in states.items()} == stored


# --- processing further


def test_waiting_deliveries_are_sent_and_redelivered_events_are_not(load: Callable[[str], Stage]) -> None:
    stage = load("waiting")
    for text in WRITTEN["waiting"]["texts"]:
        message = Message(Channel.SMS, text["text"])
        accepted = Accepted(text["id"], text["delivery"], text["to"], message, datetime.fromisoformat(text["at"]))
        stage.text.accepted.append(accepted)
    before = deliveries_of(stage)
    redeliver(stage, before)
    assert len(stage.text.accepted) == len(WRITTEN["waiting"]["texts"])
    assert stage.mail.accepted == []
    stage.sweep_for(minutes=10)
    rows = [row for row in deliveries_of(stage) if row.event.upload]
    after = {(one_line(row.event), row.channel.value): row for row in rows}
    assert after["in/retry.pdf", "email"].state is State.SENT
    assert {after["in/held.pdf", channel].state for channel in ("email", "sms")} == {State.SENT}
    assert (after["in/unknown.pdf", "sms"].state, after["in/unknown.pdf", "sms"].reason) == (State.SENT, Reason.FOUND)
    assert (after["in/claimed.pdf", "sms"].state, after["in/claimed.pdf", "sms"].reason) == (State.SENT, Reason.ACCEPTED)
    to_asha = sorted(to for _, to, _ in stage.sent if to != "ben@example.com")
    assert to_asha == ["+919812345678"] * 4 + ["asha@example.com"] * 2  # two texts were accepted before


def test_every_kind_of_event_is_sent(load: Callable[[str], Stage]) -> None:
    stage = load("kinds")
    stage.sweep_for(minutes=2)
    assert [row.state for row in deliveries_of(stage)] == [State.SENT] * 9
    assert len(stage.mail.accepted) == 9


def test_ended_deliveries_stay_ended_and_can_be_resent(load: Callable[[str], Stage]) -> None:
    stage = load("ended")
    before = deliveries_of(stage)
    redeliver(stage, before)
    assert (stage.sent, stage.sweep()) == ([], [])
    assert deliveries_of(stage) == before
    (failed,) = [row for row in before if row.state is State.FAILED and row.channel is Channel.EMAIL]
    resend(stage.bot.intake, failed.id, "ben")
    assert stage.sweep() == ["email sent"]


def test_open_window_takes_more_uploads_and_every_bundle_is_sent_once(load: Callable[[str], Stage]) -> None:
    stage = load("bundles")
    members = [member.event for bundle in bundles_of(stage) for member in stage.bundles.members(bundle)]
    stage.take(*members, upload_to("bundled-drops", "in/new.csv"))
    assert stage.sent == []
    stage.sweep_for(hours=3)
    assert sorted(counts(stage)) == [3, 4, 5]  # the digest of quiet hours, the batch, and four members with the new upload
    stage.take(*members)
    assert len(stage.mail.accepted) == 3


def test_counting_continues_where_it_stopped(load: Callable[[str], Stage]) -> None:
    stage = load("counting")
    (bundle,) = bundles_of(stage)
    assert bundle.counted_to
    stage.sweep()
    assert counts(stage) == [8]


def test_parked_payload_is_redriven_once(load: Callable[[str], Stage]) -> None:
    stage = load("parked")
    rows = [row for row in redrivable(stage.bot.intake, Filter(NOON - timedelta(days=1))) if isinstance(row, Parked)]
    assert [row.source for row in rows] == ["s3"]
    assert redrive(stage.bot.intake, rows[0], "ben") == "parsed: 2 deliveries due now"
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert not stage.ledger.park(rows[0])


def test_receipt_still_belongs_to_its_delivery(load: Callable[[str], Stage]) -> None:
    ledger = load("parked").ledger
    assert (ledger.claim_receipt("SM1", "0" * 32, NOON), ledger.claim_receipt("SM1", "1" * 32, NOON)) == (True, False)


def test_silence_suppression_and_budgets_still_apply(load: Callable[[str], Stage]) -> None:
    stage = load("control")
    stage.take(an_upload("in/silenced.pdf", sequencer="02"), upload_to("text-drops", "in/suppressed.pdf"))
    new = {row.rule: row for row in deliveries_of(stage) if row.created_at == stage.now and row.channel is Channel.SMS}
    assert (new["uploads"].state, new["uploads"].reason) == (State.DROPPED, Reason.SILENCED)
    assert (new["texts"].state, new["texts"].reason) == (State.DROPPED, Reason.BAD_ADDRESS)
    stage.later(hours=2)
    stage.take(an_upload("in/later.pdf", sequencer="03"))
    assert stage.states()["email"] == "sent"


def test_monitor_state_is_continued_under_its_version(load: Callable[[str], Stage]) -> None:
    stage = load("incidents")
    stage.now = NOON + timedelta(minutes=2, seconds=30)  # no check is due
    state = stage.incidents.get("shop")
    stage.bot.watch.run(stage.settings.monitors, plenty)
    assert [mail.to for mail in stage.mail.accepted] == ["ben@example.com"]  # what the earlier version did not send
    assert stage.incidents.get("shop").version == state.version + 1
    assert not stage.incidents.save(state, replace(state, version=state.version + 1), stage.now)


def test_counters_count_on_and_nothing_twice(ministack: MiniStack) -> None:
    client = counters_client(ministack)
    for item in items("counters", table="counters"):
        client.put_item(TableName=COUNTERS, Item=item)
    counters = Counters(client, COUNTERS, pause=lambda _: None, chance=lambda: 0.5)
    day = (NOON.replace(hour=0), NOON + timedelta(days=1))
    known = [
        CountRecord("a", NOON, (Count("orders by status", "paid"),)),
        CountRecord("large", NOON, tuple(Count("files by folder", f"f/{number}", 2) for number in range(41))),
    ]
    new = CountRecord("new", NOON, (Count("orders by status", "paid"),))
    assert counters.count([*known, new], NOON) == set()
    assert {cell.value: cell.n for cell in counters.read("orders by status", "day", *day)} == {"": 1, "paid": 3}
    assert [cell.n for cell in counters.read("sum total of orders", "day", *day)] == [Decimal("12.30")]
    assert sum(cell.n for cell in counters.read("files by folder", "day", *day)) == 82
    assert counters.sent_by_hour("asha", *day) == {NOON: 3}
    assert counters.failures_by_hour("asha", *day) == {NOON: 1}


def bundles_of(stage: Stage) -> list[Bundle]:
    rows = stage.ledger.newest(NOON - timedelta(days=1), stage.now)
    return [row for row in rows if isinstance(row, Bundle) and not row.sent_at]


def upload_to(bucket: str, key: str) -> Event:
    event = an_upload(key, sequencer="FF")
    assert event.upload
    return replace(event, upload=replace(event.upload, bucket=bucket), identity=identity_of("upload", bucket, key, "FF"))


def test_key_of_a_member_depends_only_on_its_event() -> None:
    """A changed key would let redelivered uploads through: hour, shard and identity are part of stored keys."""
    keys = {item["pk"]["S"]: item for item in items("bundles") if item["pk"]["S"].startswith("member#")}
    assert keys
    for key, item in keys.items():
        event = msgspec.json.decode(item["event"]["S"], type=Event)
        assert key.split("#")[2] == hour_of(event)
