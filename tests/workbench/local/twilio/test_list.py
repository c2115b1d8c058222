"""The Twilio double's list of texts: filtered, paged, newest first."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.workbench.local.twilio.server import ASHA, BEN, Desk, running_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with running_desk() as desk:
        yield desk


def test_the_list_is_newest_first_and_filtered_by_number(desk: Desk) -> None:
    for to, body in [(ASHA, "one"), (BEN, "two"), (ASHA, "three")]:
        desk.send(to=to, body=body)
    assert [text.body for text in desk.client.messages.list()] == ["three", "two", "one"]
    assert [text.body for text in desk.client.messages.list(to=ASHA)] == ["three", "one"]
    assert desk.client.messages.list(from_="+447700900999") == []


def test_the_list_is_filtered_by_day_and_by_moment(desk: Desk) -> None:
    start = desk.clock.now
    for day in range(3):
        desk.clock.now = start + timedelta(days=day)
        desk.send(body=f"day {day}")
    texts = desk.client.messages
    assert [text.body for text in texts.list(date_sent=date(2026, 11, 24))] == ["day 1"]
    assert [text.body for text in texts.list(date_sent_after=start + timedelta(hours=1))] == [
        "day 2",
        "day 1",
    ]
    assert [text.body for text in texts.list(date_sent_before=start + timedelta(hours=1))] == ["day 0"]


def test_the_list_is_paged_and_a_new_text_does_not_shift_it(desk: Desk) -> None:
    for number in range(5):
        desk.send(body=str(number))
    first = desk.client.messages.page(page_size=2)
    assert [text.body for text in first] == ["4", "3"]
    desk.send(body="late")
    second = first.next_page()
    assert second is not None
    assert [text.body for text in second] == ["2", "1"]
    assert [text.body for text in desk.client.messages.list(page_size=2)] == ["late", "4", "3", "2", "1", "0"]


def test_a_page_leads_back_to_the_one_before(desk: Desk) -> None:
    for number in range(5):
        desk.send(body=str(number))
    third = desk.client.messages.page(page_size=2).next_page().next_page()
    second = third.previous_page() if third else None
    assert second is not None
    assert [text.body for text in second] == ["2", "1"]
