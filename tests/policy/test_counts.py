"""What is counted, the pure part: how a rule says it, what an item's change, a message and its files count, and [analytics]."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.bundle import By
from chalicelib.domain.conditions import CountBy
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.event import Event, Kind, Upload, identity_of
from chalicelib.domain.payloads import ChangeType, Digest, Item, Part
from chalicelib.domain.settings import Analytics, SettingsError
from chalicelib.policy.counts import (
    LONGEST,
    NONE,
    OTHER,
    Count,
    Counted,
    bounded,
    counts_of,
    counts_of_delivery,
    failure,
    files_told,
    parse_count,
    spent,
)
from chalicelib.policy.summary import Tally
from chalicelib.store.counters import count_items
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.streams import a_delivery, failed, sent

# -- what a rule says --------------------------------------------------------------------------------------------------------


SAID = {
    "orders": CountBy("orders"),
    "orders by status": CountBy("orders", ("status",)),
    "orders by status and customer.region": CountBy("orders", ("status", "customer.region")),
    "sum total of orders": CountBy("orders", (), "total"),
    "sum total of orders by status": CountBy("orders", ("status",), "total"),
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_counted_is_written_as_it_is_read(text: str) -> None:
    assert parse_count(f"  {text.replace(' by ', '  by  ')} ") == SAID[text]
    assert str(SAID[text]) == text


@pytest.mark.parametrize(
    "text", ["", "by status", "orders by", "orders by a and b and c", "sum of orders", "count orders", "ör ders"]
)
def test_what_is_nothing_to_count_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is nothing to count, such as orders by status"):
        parse_count(text)


@pytest.mark.parametrize("text", ["messages by rule", "files"])
def test_what_the_bot_counts_of_itself_is_no_rules_counter(text: str) -> None:
    with pytest.raises(ValueError, match="needs another name"):
        parse_count(text)


# -- items -------------------------------------------------------------------------------------------------------------------


def changed(new: dict[str, Any], old: dict[str, Any] | None = None, did: ChangeType = ChangeType.UPDATED) -> Event:
    return Event(Kind.ITEM, identity_of(str(new), str(old)), NOON, item=Item("orders", did, {"id": "7"}, new, old or {}))


def counted(text: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> Count | None:
    return counts_of(changed(new, old), parse_count(text))


def test_item_counts_as_it_is_after_the_change_and_as_it_was_where_it_was_deleted() -> None:
    assert counted("orders by status", {"status": "paid"}, {"status": "new"}) == Count("orders by status", "paid")
    assert counted("orders by status", {}, {"status": "new"}) == Count("orders by status", "new")
    assert counted("orders", {"status": "paid"}) == Count("orders", "")


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, NONE), ("", NONE), (True, "true"), (3, "3"), (1.5, "1.5"), (["a", 1], '["a", 1]'), ("a\r\nb", "a b"), ("é", "é")],
)
def test_any_value_has_words(value: Any, told: str) -> None:
    assert counted("orders by status", {"status": value}) == Count("orders by status", told)


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
def test_what_is_no_number_is_not_added(value: Any) -> None:
    assert counted("sum total of orders", {"total": value}) is None


@given(some.text(alphabet=some.characters(), max_size=300))
def test_strangers_texts_are_bounded_and_fit_into_a_key(text: str) -> None:
    found = bounded(text)
    assert len(found) <= LONGEST
    assert len(found.encode()) <= 4 * LONGEST
    assert "\n" not in found


class Noting:
    """What Counters does, without a table: all but those of one day are taken."""

    def __init__(self) -> None:
        self.records: list[Counted] = []

    def count(self, records: list[Counted], now: object) -> set[str]:
        self.records = records
        return {each.mark for each in records if each.counts[0].value == "lost"}


def test_change_counts_once_for_each_rule_and_is_told_where_it_has_to_come_again() -> None:
    store, paid, lost = Noting(), changed({"status": "paid"}), changed({"status": "lost"})
    by_status, total = parse_count("orders by status"), parse_count("sum total of orders")
    matches = [
        (event, rule, what) for event in (paid, lost, paid) for rule, what in (("a", by_status), ("b", total), ("c", by_status))
    ]
    assert count_items(store, matches, NOON) == {lost.identity}  # type: ignore[arg-type]
    assert len({each.mark for each in store.records}) == 4
    assert {each.counts[0].name for each in store.records} == {"orders by status"}


# -- messages and files ------------------------------------------------------------------------------------------------------


def ended(state: State, reason: Reason = Reason.SILENCED) -> Delivery:
    return replace(a_delivery("a"), state=state, reason=reason)


def pairs(delivery: Delivery) -> set[tuple[str, str]]:
    return {(each.name, each.value) for each in counts_of_delivery(delivery)}


def test_message_counts_for_its_outcome_and_where_it_was_sent_for_all_else() -> None:
    assert pairs(sent(a_delivery("a"))) == {
        ("messages by outcome", "sent"),
        ("messages by rule", "uploads"),
        ("messages by channel", "email"),
        ("messages by person", "asha"),
    }
    assert pairs(failed(a_delivery("a"))) == {("messages by outcome", "failed")}
    assert pairs(ended(State.DROPPED)) == {("messages by outcome", "dropped:silenced")}


def test_budgets_and_digests_are_told_by_the_hour_alone() -> None:
    text = replace(a_delivery("a"), segments=2)
    assert spent(sent(text), "all") == (Count("sent all", "messages", 1, ("hour",)), Count("sent all", "segments", 2, ("hour",)))
    assert spent(failed(text), "all") == failure(sent(text)) == ()
    assert failure(failed(text)) == (Count("sent person asha", "failures", 1, ("hour",)),)


def files(event: Event, state: State = State.SENT, rule: Any = None, **more: Any) -> Counted | None:
    return files_told(replace(a_delivery("a"), event=event, state=state, **more), rule)


def by_dimension(found: Counted | None) -> dict[str, dict[str, int | Decimal]]:
    told: dict[str, dict[str, int | Decimal]] = {}
    for count in found.counts if found else ():
        told.setdefault(count.name.removeprefix("files by "), {})[count.value] = count.amount
    return told


def test_upload_counts_one_file_by_the_first_two_folders() -> None:
    upload = an_upload("in/2026/11/a.pdf", by="AIDA")
    told = {"bucket": {"acme-drops": 1}, "rule": {"uploads": 1}, "uploader": {"AIDA": 1}, "folder": {"in/2026": 1}}
    assert by_dimension(files(upload)) == told
    assert by_dimension(files(an_upload("a.pdf")))["folder"] == {"/": 1}


def a_bundle(many: int, **more: Any) -> Event:
    tally = Tally()
    for number in range(many):
        tally.add(an_upload(f"in/{number % 12:02}/{number}.pdf", sequencer=str(number)))
    return replace(Event(Kind.BUNDLE, "b" * 32, NOON, summary=tally.summary(), thread="t"), **more)


def test_bundle_counts_all_its_files_and_the_folders_that_its_summary_names() -> None:
    (rule,) = some_settings().rules
    found = by_dimension(files(a_bundle(120, detail="AIDA"), rule=replace(rule, by=By("uploader"))))
    assert found["bucket"] == {"acme-drops": 120}
    assert found["uploader"] == {"AIDA": 120}
    assert (len(found["folder"]), found["folder"][OTHER], sum(found["folder"].values())) == (9, 40, 120)
    unknown = by_dimension(files(a_bundle(2, lead=Upload("other-drops", "x")), rule=rule))
    assert (unknown["bucket"], unknown["uploader"]) == ({"other-drops": 2}, {NONE: 2})


def test_files_are_the_same_for_every_reader_and_way() -> None:
    upload, bundle = an_upload(), a_bundle(3)
    for event in (upload, bundle):
        waited = files(event, State.BUNDLED)
        alone = files(replace(event, identity="c" * 32))  # told alone by its reader's digest
        assert waited == alone == files(event, person="ben")
        assert waited is not None
    marks = {found.mark for found in (files(upload), files(bundle), files(an_upload(sequencer="2"))) if found}
    assert len(marks) == 3


def test_files_of_two_rules_are_two() -> None:
    marks = [files_told(replace(sent(a_delivery("a")), rule=rule), None) for rule in ("a", "b")]
    assert len({each.mark for each in marks if each}) == 2


def test_digest_and_what_was_not_told_count_no_files() -> None:
    digest = Event(
        Kind.DIGEST,
        "e" * 32,
        NOON,
        digest=Digest(NOON, NOON, "daily", (Part("uploads", a_bundle(3).summary or Tally().summary()),)),
    )
    assert files(digest) is None
    assert files(an_upload(), State.FAILED) is files(an_upload(), State.DROPPED) is None


# -- the settings ------------------------------------------------------------------------------------------------------------


def test_analytics_are_off_where_the_settings_have_none_and_count_all_where_they_are_empty() -> None:
    assert some_settings().analytics is None
    found = some_settings("[analytics]\n").analytics
    assert found == Analytics(timedelta(days=400), ("bucket", "folder", "rule", "channel", "outcome", "uploader", "person"))


def test_analytics_are_read() -> None:
    found = some_settings('[analytics]\nkeep = "90d"\nby = ["rule", "outcome"]\n').analytics
    assert found == Analytics(timedelta(days=90), ("rule", "outcome"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('keep = "1h"', "[analytics], keep: '1h' is too short to count anything in; write \"2d\" or more"),
        ('keep = "long"', "is not a span of time"),
        ('by = ["folders"]', "'folders' is nothing to count by; did you mean 'folder'?"),
        ("by = []", "it names nothing; leave it out for all of them"),
        ("kept = 3", "did you mean 'keep'?"),
    ],
)
def test_what_is_wrong_with_analytics_is_told(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        some_settings(f"[analytics]\n{text}\n")
    assert told in str(error.value)
