"""Bundles on a real table and in memory: each step is one conditional write."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.bundle import Bundle, Window
from chalicelib.store.bundles import Bundles
from chalicelib.store.members import Member
from tests.support.builders import NOON, an_upload
from tests.support.memory import MemoryBundles, MemoryLedger
from tests.support.stages import TABLE
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT


@pytest.fixture(params=["table", "memory"])
def bundles(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryBundles(MemoryLedger())
    ministack: MiniStack = request.getfixturevalue("ministack")
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return Bundles(ministack.client("dynamodb"), TABLE)


def test_only_one_writer_replaces_a_window(bundles: Any) -> None:
    first = Window(NOON, NOON, NOON + timedelta(minutes=9), NOON + timedelta(minutes=10))
    assert bundles.replace_window("s", None, first)
    assert not bundles.replace_window("s", None, first)
    second = Window(NOON, first.until, first.until + timedelta(minutes=10), first.due + timedelta(minutes=10))
    assert bundles.replace_window("s", first, second)
    assert not bundles.replace_window("s", first, second)
    assert bundles.window("s") == second


def test_members_are_found_by_their_hours_and_stored_once(bundles: Any) -> None:
    bundle = Bundle("b" * 32, "s" * 32, NOON, NOON, rule="uploads", hours=frozenset({"2026-03-02T12"}))
    assert bundles.ensure(bundle).hours == {"2026-03-02T12"}
    stored = bundles.ensure(Bundle("b" * 32, "s" * 32, NOON, NOON, rule="uploads", hours=frozenset({"2026-03-02T11"})))
    assert stored.hours == {"2026-03-02T11", "2026-03-02T12"}
    event = an_upload()
    assert bundles.add_member(bundle.series, Member(event.identity, bundle.id, event)).bundle == bundle.id
    assert bundles.add_member(bundle.series, Member(event.identity, "c" * 32, event)).bundle == bundle.id
    assert [member.event for member in bundles.members(stored)] == [event]
