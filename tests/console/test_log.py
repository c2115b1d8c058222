"""The log: pages without gaps or repeats, filters, a bounded number of reads, and strangers' names as text."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.console.log.reading import MAX_READ, WINDOW, Cursor, read_page
from chalicelib.console.log.rows import MAX_SUBJECT, Filter, subject_of
from chalicelib.console.log.views import row_cells
from chalicelib.console.times import Times
from tests.support.builders import NOON, an_upload
from tests.support.console import ConsoleApp
from tests.support.stages import memory_stage
from workbench.samples.incidents import sample_incidents

ATTACK = 'in/"><script>alert(1)</script>\u202efdp.exe'


def ids(page: str) -> list[str]:
    return re.findall(r"console/deliveries/(\w+)", page)


def older(page: str) -> str:
    match = re.search(r'href="\?([^"]+)">Older', page)
    return match[1].replace("&amp;", "&") if match else ""


def test_pages_have_every_row_once_and_in_order(site: ConsoleApp) -> None:
    for number in range(45):  # two deliveries each, both in the same millisecond
        site.stage.take(an_upload(f"in/{number}.pdf", sequencer=f"{number:04}"))
    visitor, seen, query = site.visitor("ben"), list[str](), ""
    while True:
        page = visitor.text(f"/console/log?{query}")
        rows, query = ids(page), older(page)
        seen += rows
        if not rows or "before=" not in query:
            break
    assert len(seen) == len(set(seen)) == 90
    created = [row.created_at for id_ in seen if (row := site.stage.ledger.get(id_))]
    assert created == sorted(created, reverse=True)


def test_filters_combine(site: ConsoleApp) -> None:
    site.stage.take(an_upload("in/report.pdf", sequencer="1"), an_upload("in/Image.JPG", sequencer="2"))
    visitor = site.visitor("ben")
    assert len(ids(visitor.text("/console/log"))) == 4
    assert len(ids(visitor.text("/console/log?text=image"))) == 2
    assert len(ids(visitor.text("/console/log?text=image&channel=sms&state=sent&who=asha&rule=uploads"))) == 1
    assert "No matches since" in visitor.text("/console/log?who=ben")
    assert 'value="image"' in visitor.text("/console/log?text=image")


def test_names_of_strangers_are_text(site: ConsoleApp) -> None:
    site.stage.take(an_upload(ATTACK))
    visitor = site.visitor("ben")
    delivery = f"/console/deliveries/{site.stage.rows()['email'].id}"
    for path in ("/console", "/console/log", delivery, '/console/log?text="><script>alert(1)</script>'):
        page = visitor.text(path)
        assert "<script>alert" not in page
        assert "\u202e" not in page


def test_mail_is_shown_in_a_sandbox(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    id_ = site.stage.rows()["email"].id
    visitor = site.visitor("ben")
    page = visitor.text(f"/console/deliveries/{id_}")
    assert f'<iframe class="mail" src="../../console/deliveries/{id_}/mail" sandbox ' in page
    mail = visitor.get(f"/console/deliveries/{id_}/mail")
    assert "report.pdf" in mail.body.decode()
    assert mail.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_text_is_shown_as_sent(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    row = site.stage.rows()["sms"]
    page = site.visitor("ben").text(f"/console/deliveries/{row.id}")
    (sent,) = [message.text for channel, _, message in site.stage.sent if channel == "sms"]
    assert sent in page
    assert "+9198" not in page


@pytest.mark.parametrize("id_", ["0" * 32, "0", "..", "%2e%2e", "x" * 500])
def test_unknown_row_is_a_page(site: ConsoleApp, id_: str) -> None:
    assert site.visitor("ben").get(f"/console/deliveries/{id_}").status_code in (403, 404)


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.x", "-1.0", "9" * 20 + ".0", "1.9999999", "١.٠"])
def test_other_text_is_no_cursor(cursor: str) -> None:
    assert Cursor.parse(cursor) is None


def test_search_without_matches_reads_a_bounded_number_of_rows_and_goes_on() -> None:
    stage = memory_stage()
    for number in range(400):
        stage.take(an_upload(f"in/{number}.pdf", sequencer=f"{number:04}"))
    read = list[str]()

    def newest(since: Any, until: Any) -> Any:
        for row in stage.ledger.newest(since, until):
            read.append(row.id)
            yield row

    accepted = Filter(text="in/3.pdf")
    page = read_page(newest, accepted, stage.now)
    assert (len(page.rows), len(read)) == (0, MAX_READ)
    page = read_page(newest, accepted, stage.now, page.next)
    assert len(page.rows) == 2
    assert page.next is not None
    assert len(set(read)) == 801  # with a bundle: a budget was reached


def test_page_ends_after_the_rows_that_are_kept() -> None:
    stage = memory_stage()
    page, days = read_page(stage.ledger.newest, Filter(), NOON), 0
    while page.next:
        page, days = read_page(stage.ledger.newest, Filter(), NOON, page.next), days + WINDOW.days
    assert 80 < days < 95


def test_empty_log_says_what_to_do_and_times_name_their_zone(site: ConsoleApp) -> None:
    page = site.visitor("asha").text("/console/log")
    assert "Put a file into a bucket of your rules" in page
    assert "Times are in Asia/Kolkata." in page
    assert "Times are in UTC." in site.visitor("ben").text("/console/log")


def test_page_of_a_delivery_says_text_and_names_its_event(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    row = site.stage.rows()["sms"]
    page = site.visitor("ben").text(f"/console/deliveries/{row.id}")
    assert "<dt>Channel</dt><dd>text</dd>" in page
    assert f"<dt>Event id</dt><dd>{row.event.identity}</dd>" in page
    site.stage.take(an_upload("in/other.pdf", sequencer="2"))
    assert len(ids(site.visitor("ben").text(f"/console/log?text={row.event.identity[:8]}"))) == 2  # mail and text


def test_links_of_one_event_and_their_pages_have_different_names(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    visitor = site.visitor("ben")
    links = re.findall(r'<td data-label="What" class="what"><a [^>]+>(.+?)</a>', visitor.text("/console/log"))
    names = [re.sub("<[^>]+>", "", link) for link in links]
    assert sorted(names) == ["in/report.pdf, mail to asha", "in/report.pdf, text to asha"]
    page = visitor.text(f"/console/deliveries/{site.stage.rows()['sms'].id}")
    assert "<title>in/report.pdf, text to asha · " in page


def test_page_of_a_missing_row_leads_back(site: ConsoleApp) -> None:
    response = site.visitor("ben").get(f"/console/deliveries/{'0' * 32}")
    assert response.status_code == 404
    assert b'href="../../console">Dashboard</a>' in response.body


def test_subjects_tell_incidents_apart() -> None:
    incidents = sample_incidents()
    assert subject_of(incidents["incident"]) == "shop: returned 503, not 2xx"
    assert subject_of(incidents["incident-resolved"]) == "shop resolved after 43 minutes: returned 200 in 0.12 s"
    assert len(subject_of(incidents["incident-hostile"])) <= MAX_SUBJECT
    assert "\u202e" not in subject_of(incidents["incident-hostile"])


def test_requested_message_is_listed_as_message(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    row = replace(site.stage.rows()["sms"], rule="message message")
    assert row_cells(row, Times("UTC"))["rule"] == "message"
