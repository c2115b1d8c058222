"""The Twilio double's list of texts: newest first, filtered, paged."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.workbench.local.twilio.server import ASHA, BEN, TwilioServer, running_server


@pytest.fixture
def server() -> Iterator[TwilioServer]:
    with running_server() as server:
        yield server


def test_list_is_newest_first_and_filtered_by_number(server: TwilioServer) -> None:
    for to, body in [(ASHA, "one"), (BEN, "two"), (ASHA, "three")]:
        server.send(to=to, body=body)
    assert [text.body for text in server.client.messages.list()] == ["three", "two", "one"]
    assert [text.body for text in server.client.messages.list(to=ASHA)] == ["three", "one"]
    assert server.client.messages.list(from_="+447700900999") == []


def test_list_is_filtered_by_day_and_by_moment(server: TwilioServer) -> None:
    start = server.clock.now
    for day in range(3):
        server.clock.now = start + timedelta(days=day)
        server.send(body=f"day {day}")
    texts = server.client.messages
    assert [text.body for text in texts.list(date_sent=date(2026, 11, 24))] == ["day 1"]
    assert [text.body for text in texts.list(date_sent_after=start + timedelta(hours=1))] == [
        "day 2",
        "day 1",
    ]
    assert [text.body for text in texts.list(date_sent_before=start + timedelta(hours=1))] == ["day 0"]


def test_new_text_does_not_shift_the_pages(server: TwilioServer) -> None:
    for number in range(5):
        server.send(body=str(number))
    first = server.client.messages.page(page_size=2)
    assert [text.body for text in first] == ["4", "3"]
    server.send(body="late")
    second = first.next_page()
    assert second is not None
    assert [text.body for text in second] == ["2", "1"]
    assert [text.body for text in server.client.messages.list(page_size=2)] == ["late", "4", "3", "2", "1", "0"]


def test_page_links_to_the_previous_one(server: TwilioServer) -> None:
    for number in range(5):
        server.send(body=str(number))
    third = server.client.messages.page(page_size=2).next_page().next_page()
    second = third.previous_page() if third else None
    assert second is not None
    assert [text.body for text in second] == ["2", "1"]
