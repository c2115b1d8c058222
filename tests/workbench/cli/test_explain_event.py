"""`dropnote explain EVENT_ID`: what happened to a real event, from the ledger."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.platform.clock import utc_now
from chalicelib.store.rows.versions import UnreadableRow
from tests.support.builders import an_upload, some_settings
from tests.support.log_scan import LogLines
from tests.support.stages import Stage, memory_stage
from tests.workbench.cli.conftest import Account, Run

TWO_RULES = some_settings(
    """
[[rules]]
name = "invoices"
bucket = "${UPLOAD_BUCKET}"
key = "invoices/**"
size = ">= 1 KB"
notify = ["email:ben"]
"""
)
EVENT = an_upload("in/=2+2.pdf")


def use(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> Stage:
    """Let the commands run on this stage, now."""
    stage.now = utc_now()
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage, stage.settings))
    return stage


def story(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("explain", "--json", *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.output)
    return document


def outcomes(rule: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(delivery["person"], delivery["channel"], delivery["state"]) for delivery in rule["deliveries"]]


def test_event_says_who_got_what_and_why_not(stage: Stage, run: Run) -> None:
    answer = story(run, EVENT.identity)
    (rule,) = answer["rules"]
    assert (rule["rule"], rule["matched"]) == ("uploads", True)
    assert outcomes(rule) == [("asha", "email", "sent"), ("asha", "sms", "failed")]
    assert rule["deliveries"][1]["why"].startswith("refused")
    assert [step["state"] for step in rule["deliveries"][0]["steps"]] == ["claimed", "sent"]
    output = run("explain", EVENT.identity[:8]).output
    assert "s3://acme-drops/in/=2+2.pdf, 1.2 KB, put" in output
    assert "asha by sms: failed, refused" in output


def test_ids_of_log_and_show_and_of_a_delivery_name_the_event(stage: Stage, run: Run) -> None:
    (row,) = json.loads(run("log", "--json", "--channel", "sms").output)
    assert row["event_id"] == EVENT.identity
    assert EVENT.identity[:8] in run("log", "--channel", "sms").output
    assert json.loads(run("show", row["id"], "--json").output)["event_id"] == EVENT.identity
    assert story(run, row["id"])["event_id"] == story(run, row["id"][:12])["event_id"] == EVENT.identity


def test_log_lines_of_an_outcome_name_event_rule_and_delivery(logged: LogLines) -> None:
    (sent, _) = memory_stage().take(EVENT)
    (line,) = [line for line in logged.of("sent") if line["channel"] == "email"]
    assert (line["event"], line["rule"], line["delivery"]) == (EVENT.identity, "uploads", sent.id)


def test_rule_that_did_not_match_says_why(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = use(monkeypatch, memory_stage(TWO_RULES))
    stage.take(an_upload("in/a.pdf", 10))
    matched, other = story(run, an_upload("in/a.pdf").identity)["rules"]
    assert (matched["rule"], other["rule"]) == ("uploads", "invoices")
    assert other["why_not"] == ["key: key matches none of invoices/**", "size: size 10 bytes is outside the rule's size"]
    assert "settings are now" in run("explain", an_upload("in/a.pdf").identity).output


def test_rules_on_other_events_are_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = '[[rules]]\nname = "cloud"\non = "bus"\nevent = ["alarm"]\nnotify = ["email:asha"]\n'
    use(monkeypatch, memory_stage(some_settings(bus))).take(EVENT)
    assert [rule["rule"] for rule in story(run, EVENT.identity)["rules"]] == ["uploads"]


def test_event_of_a_summary_leads_to_the_message_of_the_summary(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = some_settings(
        **{'then = "off"': 'then = "10m"\nfirst = 1', 'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]'}
    )
    stage = use(monkeypatch, memory_stage(settings))
    events = [an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(3)]
    stage.take(events[0])
    stage.take(events[1])
    (rule,) = story(run, events[1].identity)["rules"]
    assert (rule["matched"], rule["deliveries"]) == (True, [])
    assert "part of a summary of rule uploads, due" in rule["notes"][0]
    stage.sweep_for(minutes=12)
    (rule,) = story(run, events[1].identity)["rules"]
    assert outcomes(rule) == [("asha", "email", "sent")]
    assert "as one message for 1 event" in rule["notes"][0]
    assert outcomes(story(run, events[0].identity)["rules"][0]) == [("asha", "email", "sent")]


def test_ids_in_the_log_of_a_waiting_summary_can_be_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = some_settings(**{'then = "off"': 'then = "10m"\nfirst = 1'})
    stage = use(monkeypatch, memory_stage(settings))
    events = [an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(3)]
    for event in events:
        stage.take(event)
    (of_the_file,) = json.loads(run("log", "--json", "--key", "in/2.pdf").output)
    assert of_the_file["event_id"] == events[2].identity
    assert "part of a summary of rule uploads, due" in story(run, of_the_file["event_id"][:8])["rules"][0]["notes"][0]
    (of_the_summary,) = json.loads(run("log", "--json", "--state", "waiting").output)
    for id_ in (of_the_summary["id"], of_the_summary["event_id"][:8]):
        answer = story(run, id_)
        assert (answer["kind"], answer["what"]) == ("bundle", "2 events: in/1.pdf, in/2.pdf")
        assert answer["rules"][0]["notes"][0].startswith("one message, due")


def test_waiting_digest_can_be_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = use(
        monkeypatch, memory_stage(some_settings(**{'timezone = "Asia/Kolkata"': 'timezone = "Asia/Kolkata"\ndigest = "hourly"'}))
    )
    stage.take(EVENT)
    (waiting,) = json.loads(run("log", "--json", "--state", "waiting").output)
    (rule,) = story(run, waiting["id"])["rules"]
    assert (rule["rule"], rule["notes"][0].startswith("deferred for asha by email, hourly, due")) == ("digest", True)


def test_deferred_message_leads_to_the_digest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = some_settings(**{'timezone = "Asia/Kolkata"': 'timezone = "Asia/Kolkata"\ndigest = "hourly"'})
    stage = use(monkeypatch, memory_stage(settings))
    stage.take(EVENT)
    stage.sweep_for(hours=2)
    rule = story(run, EVENT.identity)["rules"][0]
    (mail,) = [delivery for delivery in rule["deliveries"] if delivery["channel"] == "email"]
    assert (mail["state"], [later["state"] for later in mail["deferred_to"]]) == ("bundled", ["sent"])
    assert "as one message for 1 event" in mail["why"]


def test_event_without_a_row_says_what_is_known(stage: Stage, run: Run) -> None:
    unknown = an_upload("elsewhere/a.part").identity
    result = run("explain", unknown)
    assert result.exit_code == 1
    assert "no rule matched the event" in result.output
    assert "--upload s3://BUCKET/KEY" in result.output
    described = run("explain", unknown, "--upload", "s3://dropnote-uploads/invoices/a.part")
    assert "temporary name of a sync client" in described.output
    document = json.loads(run("explain", unknown, "--upload", "s3://dropnote-uploads/a.part", "--json").output)
    assert (document["found"], [rule["matches"] for rule in document["rules"]]) == (False, [False, False])


def test_event_is_found_by_its_rows_after_a_rule_is_removed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = use(monkeypatch, memory_stage())
    stage.take(EVENT)
    stage.deliverer.settings = some_settings(**{'name = "uploads"': 'name = "renamed"'})
    rules = {rule["rule"]: rule for rule in story(run, EVENT.identity)["rules"]}
    assert rules["uploads"]["notes"] == ["no longer in the settings"]
    assert "nothing was recorded" in rules["renamed"]["notes"][0]


def test_old_event_is_found_by_a_full_id(stage: Stage, run: Run) -> None:
    delivery = stage.rows()["sms"].id
    assert run("explain", EVENT.identity[:12], "--since", "1m").exit_code == 1
    for id_ in (EVENT.identity, delivery):
        (rule,) = story(run, id_, "--since", "1m")["rules"]
        assert outcomes(rule) == [("asha", "email", "sent"), ("asha", "sms", "failed")]


def test_row_of_a_later_version_does_not_hide_the_others(stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text, get = stage.rows()["sms"].id, stage.ledger.get

    def refuse(id_: str) -> Any:
        if id_ == text:
            raise UnreadableRow("version 2")
        return get(id_)

    monkeypatch.setattr(stage.ledger, "get", refuse)
    assert ("asha", "email", "sent") in outcomes(story(run, EVENT.identity)["rules"][0])


def test_ambiguous_id_and_invalid_input_are_one_sentence(stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text, mail = stage.rows()["sms"], stage.rows()["email"]
    another = replace(mail, event=replace(mail.event, identity=EVENT.identity[:-1] + "0"))
    monkeypatch.setattr(stage.ledger, "newest", lambda *_: iter([text, another]))
    for arguments, sentence in (
        ([EVENT.identity[:6]], "use more characters"),
        (["abcdef", "--since", "soon"], "invalid time 'soon'"),
        (["zzz"], "no monitor or rule 'zzz'"),
    ):
        result = run("explain", *arguments)
        assert (result.exit_code, sentence in result.output, result.output.count("\n")) == (1, True, 1)


def test_output_shows_no_address(stage: Stage, run: Run) -> None:
    output = run("explain", EVENT.identity).output + run("explain", EVENT.identity, "--json").output
    assert "9812345678" not in output
    assert "asha@example.com" not in output
