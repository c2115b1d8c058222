"""Counts, the pure part: a rule's counters, what an item's change, a message and its files count, and [analytics]."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.bundle import Grouping
from chalicelib.domain.conditions import CountBy
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Event, Kind, Upload, identity_of
from chalicelib.domain.payloads import ChangeType, Digest, Item, Part
from chalicelib.domain.settings import Analytics, SettingsError
from chalicelib.policy.counts import (
    MAX_VALUE_LENGTH,
    NONE,
    OTHER,
    Count,
    CountRecord,
    bounded,
    count_of_item,
    counts_for_budget,
    counts_for_failure,
    counts_of_delivery,
    counts_of_files,
    parse_count,
)
from chalicelib.policy.summary import SummaryBuilder
from chalicelib.store.counts.counters import count_items
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.streams import a_delivery, failed, sent

# -- a rule's counters --------------------------------------------------------------------------------------------------------


COUNTERS = {
    "orders": CountBy("orders"),
    "orders by status": CountBy("orders", ("status",)),
    "orders by status and customer.region": CountBy("orders", ("status", "customer.region")),
    "sum total of orders": CountBy("orders", (), "total"),
    "sum total of orders by status": CountBy("orders", ("status",), "total"),
}


@pytest.mark.parametrize("text", COUNTERS)
def test_counter_is_written_as_it_is_read(text: str) -> None:
    assert parse_count(f"  {text.replace(' by ', '  by  ')} ") == COUNTERS[text]
    assert str(COUNTERS[text]) == text


@pytest.mark.parametrize(
    "text", ["", "by status", "orders by", "orders by a and b and c", "sum of orders", "count orders", "ör ders"]
)
def test_invalid_counter_is_rejected_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=f"^invalid counter '{text}'$"):
        parse_count(text)


@pytest.mark.parametrize("text", ["messages by rule", "files"])
def test_names_of_the_bots_own_counters_are_reserved(text: str) -> None:
    with pytest.raises(ValueError, match="use another name"):
        parse_count(text)


# -- items -------------------------------------------------------------------------------------------------------------------


def changed(new: dict[str, Any], old: dict[str, Any] | None = None, did: ChangeType = ChangeType.UPDATED) -> Event:
    return Event(Kind.ITEM, identity_of(str(new), str(old)), NOON, item=Item("orders", did, {"id": "7"}, new, old or {}))


def counted(text: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> Count | None:
    return count_of_item(changed(new, old), parse_count(text))


def test_item_counts_as_it_is_after_the_change_and_a_deleted_one_as_it_was() -> None:
    assert counted("orders by status", {"status": "paid"}, {"status": "new"}) == Count("orders by status", "paid")
    assert counted("orders by status", {}, {"status": "new"}) == Count("orders by status", "new")
    assert counted("orders", {"status": "paid"}) == Count("orders", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, NONE), ("", NONE), (True, "true"), (3, "3"), (1.5, "1.5"), (["a", 1], '["a", 1]'), ("a\r\nb", "a b"), ("é", "é")],
)
def test_any_value_has_a_text(value: Any, text: str) -> None:
    assert counted("orders by status", {"status": value}) == Count("orders by status", text)


def test_two_fields_are_joined_and_a_field_may_be_in_a_map() -> None:
    item = {"status": "paid", "customer": {"region": "north"}, "a.b": "dotted"}
    assert counted("orders by status and customer.region", item) == Count("orders by status and customer.region", "paid / north")
    assert counted("orders by a.b and status.x", item) == Count("orders by a.b and status.x", f"dotted / {NONE}")


@pytest.mark.parametrize(
    ("value", "amount"), [(5, 5), (-2, -2), (0.1, Decimal("0.10")), (19.99, Decimal("19.99")), (1e-9, Decimal(0))]
)
def test_numbers_are_added_to_the_hundredth(value: Any, amount: Any) -> None:
    assert counted("sum total of orders", {"total": value}) == Count("sum total of orders", "", amount)


@pytest.mark.parametrize("value", [None, "5", True, 10**12, -1e300, float("nan"), float("inf"), [5]])
def test_values_that_are_not_numbers_are_not_added(value: Any) -> None:
    assert counted("sum total of orders", {"total": value}) is None


@given(some.text(alphabet=some.characters(), max_size=300))
def test_untrusted_texts_are_bounded_and_fit_into_a_key(text: str) -> None:
    value = bounded(text)
    assert len(value) <= MAX_VALUE_LENGTH
    assert len(value.encode()) <= 4 * MAX_VALUE_LENGTH
    assert "\n" not in value


class FakeCounters:
    """Counters without a table: stores every record except those of "lost"."""

    def __init__(self) -> None:
        self.records: list[CountRecord] = []

    def count(self, records: list[CountRecord], now: object) -> set[str]:
        self.records = records
        return {record.mark for record in records if record.counts[0].value == "lost"}


def test_change_counts_once_per_rule_and_is_returned_if_it_must_be_retried() -> None:
    store, paid, lost = FakeCounters(), changed({"status": "paid"}), changed({"status": "lost"})
    by_status, total = parse_count("orders by status"), parse_count("sum total of orders")
    matches = [
        (event, rule, count_by)
        for event in (paid, lost, paid)
        for rule, count_by in (("a", by_status), ("b", total), ("c", by_status))
    ]
    assert count_items(store, matches, NOON) == {lost.identity}  # type: ignore[arg-type]
    assert len({record.mark for record in store.records}) == 4
    assert {record.counts[0].name for record in store.records} == {"orders by status"}


# -- messages and files ------------------------------------------------------------------------------------------------------


def ended(state: State, reason: Reason = Reason.SILENCED) -> Delivery:
    return replace(a_delivery("a"), state=state, reason=reason)


def pairs(delivery: Delivery) -> set[tuple[str, str]]:
    return {(count.name, count.value) for count in counts_of_delivery(delivery)}


def test_message_counts_for_its_outcome_and_once_sent_for_all_other_dimensions() -> None:
    assert pairs(sent(a_delivery("a"))) == {
        ("messages by outcome", "sent"),
        ("messages by rule", "uploads"),
        ("messages by channel", "email"),
        ("messages by person", "asha"),
    }
    assert pairs(failed(a_delivery("a"))) == {("messages by outcome", "failed")}
    assert pairs(ended(State.DROPPED)) == {("messages by outcome", "dropped:silenced")}


def test_budgets_and_digests_count_per_hour_only() -> None:
    text = replace(a_delivery("a"), segments=2)
    assert counts_for_budget(sent(text), "all") == (
        Count("sent all", "messages", 1, ("hour",)),
        Count("sent all", "segments", 2, ("hour",)),
    )
    assert counts_for_budget(failed(text), "all") == counts_for_failure(sent(text)) == ()
    assert counts_for_failure(failed(text)) == (Count("sent person asha", "failures", 1, ("hour",)),)


def files(event: Event, state: State = State.SENT, rule: Any = None, **more: Any) -> CountRecord | None:
    return counts_of_files(replace(a_delivery("a"), event=event, state=state, **more), rule)


def by_dimension(record: CountRecord | None) -> dict[str, dict[str, int | Decimal]]:
    amounts: dict[str, dict[str, int | Decimal]] = {}
    for count in record.counts if record else ():
        amounts.setdefault(count.name.removeprefix("files by "), {})[count.value] = count.amount
    return amounts


def test_upload_counts_one_file_by_the_first_two_folders() -> None:
    upload = an_upload("in/2026/11/a.pdf", by="AIDA")
    amounts = {"bucket": {"acme-drops": 1}, "rule": {"uploads": 1}, "uploader": {"AIDA": 1}, "folder": {"in/2026": 1}}
    assert by_dimension(files(upload)) == amounts
    assert by_dimension(files(an_upload("a.pdf")))["folder"] == {"/": 1}


def a_bundle(uploads: int, **more: Any) -> Event:
    builder = SummaryBuilder()
    for number in range(uploads):
        builder.add(an_upload(f"in/{number % 12:02}/{number}.pdf", sequencer=str(number)))
    return replace(Event(Kind.BUNDLE, "b" * 32, NOON, summary=builder.summary(), thread="t"), **more)


def test_bundle_counts_all_its_files_and_the_folders_in_its_summary() -> None:
    (rule,) = some_settings().rules
    amounts = by_dimension(files(a_bundle(120, detail="AIDA"), rule=replace(rule, by=Grouping("uploader"))))
    assert amounts["bucket"] == {"acme-drops": 120}
    assert amounts["uploader"] == {"AIDA": 120}
    assert (len(amounts["folder"]), amounts["folder"][OTHER], sum(amounts["folder"].values())) == (9, 40, 120)
    unknown = by_dimension(files(a_bundle(2, lead=Upload("other-drops", "x")), rule=rule))
    assert (unknown["bucket"], unknown["uploader"]) == ({"other-drops": 2}, {NONE: 2})


def test_files_count_once_for_all_recipients_however_they_are_sent() -> None:
    upload, bundle = an_upload(), a_bundle(3)
    for event in (upload, bundle):
        deferred = files(event, State.BUNDLED)
        alone = files(replace(event, identity="c" * 32))  # the only event in a recipient's digest
        assert deferred == alone == files(event, person="ben")
        assert deferred is not None
    marks = {record.mark for record in (files(upload), files(bundle), files(an_upload(sequencer="2"))) if record}
    assert len(marks) == 3


def test_files_of_two_rules_count_twice() -> None:
    records = [counts_of_files(replace(sent(a_delivery("a")), rule=rule), None) for rule in ("a", "b")]
    assert len({record.mark for record in records if record}) == 2


def test_digests_and_unsent_messages_count_no_files() -> None:
    digest = Event(
        Kind.DIGEST,
        "e" * 32,
        NOON,
        digest=Digest(NOON, NOON, "daily", (Part("uploads", a_bundle(3).summary or SummaryBuilder().summary()),)),
    )
    assert files(digest) is None
    assert files(an_upload(), State.FAILED) is files(an_upload(), State.DROPPED) is None


# -- the settings ------------------------------------------------------------------------------------------------------------


def test_analytics_are_off_by_default_and_an_empty_table_counts_everything() -> None:
    assert some_settings().analytics is None
    analytics = some_settings("[analytics]\n").analytics
    assert analytics == Analytics(timedelta(days=400), ("bucket", "folder", "rule", "channel", "outcome", "uploader", "person"))


def test_analytics_are_read() -> None:
    analytics = some_settings('[analytics]\nkeep = "90d"\nby = ["rule", "outcome"]\n').analytics
    assert analytics == Analytics(timedelta(days=90), ("rule", "outcome"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('keep = "1h"', "[analytics], keep: '1h' is too short; use \"2d\" or more"),
        ('keep = "long"', "keep: invalid duration 'long'"),
        ('by = ["folders"]', "unknown dimension 'folders'; did you mean 'folder'?"),
        ("by = []", "by: empty; remove it to count by every dimension"),
        ("kept = 3", "did you mean 'keep'?"),
    ],
)
def test_errors_in_analytics_are_reported(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        some_settings(f"[analytics]\n{text}\n")
    assert problem in str(error.value)
