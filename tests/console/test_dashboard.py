"""The dashboard: its numbers, and that it reads counters and one page of the log, however many deliveries there are."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib.console.dashboard.charts import strip
from chalicelib.console.dashboard.views import MAX_BUDGETS
from chalicelib.console.times import Times
from chalicelib.counting.money import read_prices
from chalicelib.domain.monitor import CheckResult, MonitorState
from chalicelib.domain.payloads import Level
from chalicelib.policy.budget import limits_by_scope
from tests.support.builders import NOON, an_upload
from tests.support.console import ConsoleApp, console_app
from tests.support.console_samples import fill, put_counts, sample_counts, sample_incident
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy

UTC = Times("UTC")


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[Proxy]:
    with Proxy(ministack.endpoint) as running:
        yield running


def test_page_reads_as_much_with_many_deliveries_as_with_one(ministack: MiniStack, proxy: Proxy) -> None:
    site = console_app(ministack, lambda service, **_: local_client(proxy.url, service))
    visitor = site.visitor("asha")
    reads = []
    for uploads in (1, 60):
        for number in range(uploads):
            site.stage.take(an_upload(f"in/{number}.pdf", sequencer=f"{uploads}-{number}"))
        site.stage.later(minutes=1)
        before = len(proxy.requests())
        assert "in/" in visitor.text("/console")
        reads.append(Counter(request.operation for request in proxy.requests()[before:]))
    assert set(reads[0]) == set(reads[1]) == {"Query", "GetItem", "BatchGetItem"}
    assert reads[0]["Query"] == 2 + 1 + 2 * 4  # hours and month; monitors; the log of two days, each with four shards
    assert reads[1]["Query"] == 2 + 1 + 4  # today has enough
    assert reads[0]["BatchGetItem"] == reads[1]["BatchGetItem"] == 2  # budgets; the log
    assert reads[0]["GetItem"] + reads[1]["GetItem"] <= 2  # the control item


def test_numbers_of_a_day(site: ConsoleApp) -> None:
    client = site.ministack.client("dynamodb")
    site.stage.later(minutes=30)
    put_counts(client, NOON, {"files": 7, "f#acme-drops/in": 7, "d#email#sent#accepted": 3, "d#sms#failed#refused": 1, "l#20": 3})
    put_counts(client, NOON - timedelta(hours=23), {"files": 2, "f#acme-drops/<i>": 2})
    put_counts(client, NOON, {"s#91": 3, "s#1876": 2})
    put_counts(client, NOON - timedelta(hours=24), {"files": 100, "f#acme-drops/old": 100})
    page = site.visitor("ben").text("/console")
    assert "<dt>Files</dt><dd>9</dd>" in page
    assert "acme-drops/&lt;i&gt; <b>2</b>" in page
    assert "acme-drops/old" not in page
    assert "<td>refused</td>" in page
    assert "Latency, 95 %" in page
    prices = read_prices()
    assert f"5 segments of texts; prices of {prices.dated} (texts: {prices.sms.dated}), 2 segments without a price" in page


@pytest.mark.parametrize(("period", "columns"), [("24h", 24), ("7d", 168), ("30d", 31), ("odd", 24)])
def test_periods(site: ConsoleApp, period: str, columns: int) -> None:
    sample_counts(site, "30d")
    page = site.visitor("ben").text(f"/console?period={period}")
    assert columns - 2 <= page.count('<th scope="row">') <= columns
    assert page.count("<title>") > columns  # each part of a column says what it is


def test_empty_stage_says_so(site: ConsoleApp) -> None:
    page = site.visitor("ben").text("/console")
    for sentence in (
        "No files in this period.",
        "No deliveries in this period.",
        "Nothing is silenced.",
        "Nothing in the last 24 hours.",
    ):
        assert sentence in page


def test_every_budget_can_be_reached(ministack: MiniStack) -> None:
    people = "".join(f'[people.p{number}]\nemail = "p{number}@example.com"\n' for number in range(3))
    site = console_app(ministack, more=people + '[webhooks.ops-room]\nformat = "slack"\n')
    page = site.visitor("ben").text("/console")
    budgets, _, more = page.partition('id="budgets"')[2].partition("</section>")[0].partition("<details")
    limits = [limit for limits in limits_by_scope(site.stage.settings).values() for limit in limits]
    assert (budgets.count("<tr><td>"), more.count("<tr><td>")) == (MAX_BUDGETS, len(limits) - MAX_BUDGETS)
    assert f"and {len(limits) - MAX_BUDGETS} more" in more
    assert "<td>webhook ops-room</td>" in budgets + more
    assert "person ops-room" not in page


def test_budgets_that_are_not_read_are_named(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.console.dashboard.figures.MAX_SCOPES", 1)
    assert "1 more people or rules have budgets" in site.visitor("ben").text("/console")


def test_addresses_are_masked(site: ConsoleApp) -> None:
    fill(site)
    page = site.visitor("asha").text("/console")
    assert "b…@example.com: bad-address" in page
    assert "ben@example.com" not in page
    assert "asha@example.com" not in page


def test_incident_and_its_history_are_shown(site: ConsoleApp) -> None:
    sample_incident(site)
    page = site.visitor("ben").text("/console")
    assert "Incident 4f2a9c since" in page
    assert page.count('class="level-error"') == 2
    assert 'aria-label="shop: error from' in page


def test_failure_that_opens_no_incident_yet_says_how_many_are_missing(site: ConsoleApp) -> None:
    result = CheckResult(Level.ERROR, "returned 503, not 2xx")
    state = MonitorState("shop", result=result, checked_at=site.stage.now, streak=1, streak_level=Level.ERROR, version=1)
    site.stage.incidents.save(MonitorState("shop"), state, site.stage.now)
    page = site.visitor("ben").text("/console")
    assert '<span class="state level-ok">ok, 1 of 3 failed</span>' in page
    assert "returned 503, not 2xx" in page


def test_strip_shows_only_what_is_known() -> None:
    day = timedelta(hours=24)
    history = [(NOON - timedelta(hours=12), Level.OK), (NOON - timedelta(hours=6), Level.ERROR)]
    drawn = strip(history, NOON - day, NOON, UTC)
    assert [(rect.x, rect.width, rect.css) for rect in drawn.rects] == [(50, 25, "level-ok"), (75, 25, "level-error")]
    assert drawn.summary == "error from 2026-03-02 06:00 to 2026-03-02 12:00"
    assert strip([], NOON - day, NOON, UTC).summary == "not checked yet"
    assert strip([(NOON - 2 * day, Level.OK)], NOON - day, NOON, UTC).summary == "OK the whole time"
