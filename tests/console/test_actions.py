"""Operators resend, acknowledge and silence; each change is in the audit log."""

from datetime import timedelta

import pytest

from chalicelib.console.actions import _MAX_TRIES
from tests.support.builders import an_upload
from tests.support.console import ConsoleApp
from tests.support.console_samples import sample_incident
from tests.support.providers import Answer


def audit(site: ConsoleApp) -> list[str]:
    """What asha did, newest first."""
    entries = site.console.audit.newest(site.stage.now + timedelta(minutes=1), 10)
    return [f"{entry.did.value} {entry.what}" for entry in entries if entry.who == "asha" and entry.did.value != "signed in"]


def done_line(page: str) -> str:
    """The line that says what was done; "" if there is none."""
    return page.partition('role="status"')[2].partition("</p>")[0]


def test_failed_delivery_is_sent_again(site: ConsoleApp) -> None:
    site.stage.text.answers.append(Answer.REJECT)
    site.stage.take(an_upload())
    failed = site.stage.rows()["sms"]
    visitor, page = site.visitor("asha"), f"/console/deliveries/{failed.id}"
    assert "refused: message rejected" in visitor.text(page)
    assert (
        visitor.press(f"{page}/resend", page=page).headers["Location"] == f"../../../console/deliveries/{failed.id}?done=resent"
    )
    assert "Sent again within a minute" in done_line(visitor.text(f"{page}?done=resent"))
    assert done_line(visitor.text(page)) == ""
    site.stage.later(minutes=1)
    site.stage.sweep()
    assert site.stage.rows()["sms"].state == "sent"
    assert done_line(visitor.text(f"{page}?done=resent")) == ""
    assert "operator: requested by asha" in visitor.text(page)
    assert audit(site) == [f"resent {failed.id}"]


def test_sent_delivery_has_no_button_and_is_not_sent_again(site: ConsoleApp) -> None:
    site.stage.take(an_upload())
    sent = site.stage.rows()["email"]
    visitor, page = site.visitor("asha"), f"/console/deliveries/{sent.id}"
    assert "Send again" not in visitor.text(page)
    assert visitor.press(f"{page}/resend").status_code == 409
    assert audit(site) == []


def test_incident_is_acknowledged(site: ConsoleApp) -> None:
    sample_incident(site)
    visitor = site.visitor("asha")
    response = visitor.press("/console/acknowledge", {"incident": "4f2a9c"})
    assert (response.status_code, response.headers["Location"]) == (303, "../console?done=acknowledged&name=4f2a9c")
    incident = site.stage.incidents.get("shop").incident
    assert (incident.acked_by, incident.acked_at) == ("asha", site.stage.now)
    assert "acknowledged by asha" in visitor.text("/console")
    assert visitor.press("/console/acknowledge", {"incident": "000000"}).status_code == 404
    assert audit(site) == ["acknowledged shop"]


def test_incident_whose_row_keeps_changing_is_reported(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_incident(site)
    visitor, tries = site.visitor("asha"), list[str]()

    def save(*_: object) -> bool:
        tries.append("save")
        return False

    monkeypatch.setattr("chalicelib.store.incidents.Incidents.save", save)
    assert visitor.press("/console/acknowledge", {"incident": "4f2a9c"}).status_code == 409
    assert len(tries) == _MAX_TRIES


def test_rule_is_silenced_until_the_silence_ends(site: ConsoleApp) -> None:
    visitor = site.visitor("asha")
    form = {"rule": "uploads", "duration": "2h", "reason": "migration"}
    assert visitor.press("/console/silence", form).status_code == 303
    site.stage.take(an_upload())
    assert site.stage.states() == {"email": "dropped", "sms": "dropped"}
    assert "until 2026-03-02 19:30 by asha: migration" in visitor.text("/console")  # her zone is Asia/Kolkata
    assert visitor.press("/console/unsilence", {"rule": "uploads"}).status_code == 303
    assert site.stage.deliverer.control.fresh().silences == {}
    assert visitor.press("/console/unsilence", {"rule": "uploads"}).status_code == 404
    assert audit(site) == ["ended the silence of uploads", "silenced uploads"] or sorted(audit(site)) == sorted(
        ["ended the silence of uploads", "silenced uploads"]
    )


def test_next_page_says_what_was_done_and_where_it_is_shown(site: ConsoleApp) -> None:
    sample_incident(site)
    visitor = site.visitor("asha")
    form = {"rule": "uploads", "duration": "2h", "reason": "migration"}
    for path, fields, sentence, section in (
        ("/console/silence", form, "uploads is silenced until 2026-03-02 19:30.", "silences"),
        ("/console/unsilence", form, "uploads is no longer silenced", "silences"),
        ("/console/acknowledge", {"incident": "4f2a9c"}, "The incident of shop is acknowledged by asha", "monitors"),
    ):
        page = visitor.text("/" + visitor.press(path, fields).headers["Location"].removeprefix("../"))
        assert (done_line(page).count(sentence), f'href="#{section}"' in done_line(page)) == (1, True)
        assert f'id="{section}"' in page
    assert done_line(visitor.text("/console")) == ""


@pytest.mark.parametrize(
    "query",
    ["done=silenced&name=uploads", "done=unsilenced&name=evil.example", "done=acknowledged&name=4f2a9c", "done=<b>&name=<b>"],
)
def test_nobody_can_write_an_address_that_says_what_was_not_done(site: ConsoleApp, query: str) -> None:
    sample_incident(site)
    assert done_line(site.visitor("asha").text(f"/console?{query}")) == ""


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"rule": "uploads", "duration": "soon", "reason": "x"}, "Duration"),
        ({"rule": "uploads", "duration": "90d", "reason": "x"}, "at most 30 days"),
        ({"rule": "uploads", "duration": "2h", "reason": " "}, "needs a reason"),
        ({"rule": "uplaods", "duration": "2h", "reason": "x"}, "no such rule"),
        ({}, "no such rule"),
    ],
)
def test_invalid_silence_says_what_is_wrong(site: ConsoleApp, form: dict[str, str], says: str) -> None:
    response = site.visitor("asha").press("/console/silence", form)
    assert (response.status_code, says in response.body.decode()) == (400, True)


def test_audit_page_shows_who_did_what(site: ConsoleApp) -> None:
    visitor = site.visitor("asha")
    visitor.press("/console/silence", {"rule": "uploads", "duration": "2h", "reason": "<b>migration</b>"})
    page = site.visitor("ben").text("/console/audit")
    assert "&lt;b&gt;migration&lt;/b&gt;" in page
    assert "silenced" in page
