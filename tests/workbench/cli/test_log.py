"""`dropnote log`, `show` and `people`: what they show, and how they end."""

import csv
import io
import json
from itertools import islice

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from rich.console import Console

from chalicelib.domain.event import Batch, UnknownPayload, Upload
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, plenty
from tests.workbench.cli.conftest import Run
from workbench.reports import ledger_log
from workbench.reports.explain import upload_mismatches


def log_rows(run: Run, *arguments: str) -> list[dict[str, str]]:
    result = run("log", "--json", *arguments)
    assert result.exit_code == 0, result.output
    rows: list[dict[str, str]] = json.loads(result.output)
    return rows


def id_of(run: Run, channel: str = "sms") -> str:
    return next(row["id"] for row in log_rows(run, "--rule", "uploads") if row["channel"] == channel)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ([], 3),
        (["--who", "asha"], 2),
        (["--who", "ben"], 1),
        (["--rule", "trouble"], 1),
        (["--channel", "sms"], 1),
        (["--state", "failed"], 1),
        (["--state", "parked"], 0),
        (["--key", "in/**"], 2),
        (["--key", "in/=2+2.pdf", "--channel", "email"], 1),
        (["--since", "30m"], 0),
        (["--since", "2h"], 3),
        (["-n", "1"], 1),
    ],
)
def test_log_lists_the_rows_that_match(stage: Stage, run: Run, filters: list[str], count: int) -> None:
    assert len(log_rows(run, *filters)) == count


def test_requested_message_is_listed_by_one_word_and_found_by_it(stage: Stage, run: Run) -> None:
    for template in ("message", "test"):
        stage.bot.run_task("send", {"to": ["ben"], "words": {"text": "hello"}, "template": template}, template, plenty)
    rules = [line.split("\t")[2] for line in run("log").output.splitlines() if "hello" in line]
    assert sorted(rules) == ["message", "message test"]
    assert [row["rule"] for row in log_rows(run, "--rule", "message")] == ["message message"]  # scripts get the stored word


def test_csv_has_no_formulas(stage: Stage, run: Run) -> None:
    stage.take(an_upload("=cmd|' /C calc'!A0", sequencer="01"))
    rows = list(csv.DictReader(io.StringIO(run("log", "--csv").output)))
    assert {row["what"] for row in rows} >= {"'=cmd|' /C calc'!A0", "in/=2+2.pdf"}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("in/new.part", "rule uploads: temporary name of a sync client or editor"),
        ("in/new.pdf", "rule uploads: the key matches; no event arrived, or the size does not match"),
    ],
)
def test_log_explains_why_nothing_was_sent(stage: Stage, run: Run, key: str, why: str) -> None:
    output = run("log", "--key", key).output
    assert why in output
    assert "dropnote backfill" in output


def test_followed_log_shows_new_and_changed_rows(stage: Stage) -> None:
    failed = stage.rows()["sms"]
    reads = iter([[failed], [failed], [stage.rows()["email"], failed]])
    followed = ledger_log.changed_rows(lambda: list(next(reads)), lambda: None)
    assert [row.id for row in islice(followed, 2)] == [failed.id, stage.rows()["email"].id]


@pytest.mark.parametrize("since", ["soon", "2026-13-01", ""])
def test_invalid_time_is_an_error(stage: Stage, run: Run, since: str) -> None:
    result = run("log", "--since", since)
    assert (result.exit_code, f"invalid time {since!r}" in result.output) == (1, True)


def test_show_lists_every_state_of_a_delivery(stage: Stage, run: Run) -> None:
    run("resend", id_of(run))
    stage.sweep()
    details = json.loads(run("show", id_of(run)[:12], "--json").output)
    assert [step["state"] for step in details["story"]] == ["claimed", "failed", "retry", "claimed", "sent"]
    assert "requested by" in details["story"][2]["why"]
    assert "in/=2+2.pdf" in run("show", id_of(run)[:12]).output


def test_show_sanitizes_a_parked_payload(stage: Stage, run: Run) -> None:
    stage.bot.take(Batch(unknown=(UnknownPayload("s3", "missing 'Records'", {"odd": "\u202eevil"}),)), plenty)
    (row,) = log_rows(run, "--state", "parked")
    assert "\u202e" not in run("show", row["id"]).output
    assert "missing 'Records'" in run("show", row["id"]).output


def test_unknown_and_ambiguous_ids_are_errors(stage: Stage, run: Run) -> None:
    assert run("show", "zz").output == "no delivery with ID 'zz'; `dropnote log --json` lists the IDs\n"
    ambiguous = run("show", "")
    assert (ambiguous.exit_code, "use more characters" in ambiguous.output) == (1, True)


def test_people_shows_suppressed_addresses_and_the_next_step(stage: Stage, run: Run) -> None:
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/b.pdf", sequencer="02"))
    rows = {(row["person"], row["channel"]): row for row in json.loads(run("people", "--json").output)}
    assert rows["asha", "email"]["stands"] == "OK"
    assert rows["asha", "sms"]["stands"].startswith("bad-address since")
    assert rows["asha", "sms"]["next"] == "dropnote test asha"
    assert "9812345678" not in run("people").output


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoCredentialsError(), "Could not call AWS: Unable to locate credentials"),
        (ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no table"}}, "Query"), "AWS rejected Query"),
    ],
)
def test_error_from_aws_is_one_sentence(stage: Stage, run: Run, error: Exception, sentence: str) -> None:
    def refuse(*_: object) -> None:
        raise error

    stage.ledger.newest = refuse
    result = run("log")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert sentence in result.output


def test_unknown_stage_is_an_error(run: Run) -> None:
    assert run("log", "--stage", "nosuch").output == "unknown stage 'nosuch': not in .chalice/config.json\n"


def test_unknown_state_lists_the_known_ones(stage: Stage, run: Run) -> None:
    result = run("log", "--state", "bogus")
    assert result.exit_code == 2
    assert "'failed'" in result.output


def test_misspelled_person_gets_a_suggestion(stage: Stage, run: Run) -> None:
    assert "unknown person 'ashaa'; did you mean 'asha'?" in run("log", "--who", "ashaa").output


def test_unknown_name_without_deliveries_is_an_error(stage: Stage, run: Run) -> None:
    result = run("log", "--rule", "nope", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown rule 'nope'; use one of: uploads" in result.output
    for name in ("trouble", "digest", "message"):
        assert run("log", "--rule", name).exit_code == 0, name


def test_upload_without_a_matching_rule_has_reasons() -> None:
    reasons = upload_mismatches(some_settings(), Upload("acme-drops", "in/file.part", 5))
    assert reasons == ["rule uploads: temporary name of a sync client or editor"]
    assert upload_mismatches(some_settings(), Upload("acme-drops", "in/file.pdf", 5)) == []


@pytest.mark.parametrize("width", [80, 140])
def test_times_states_and_ids_stay_on_one_line_of_a_terminal(
    stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    (row,) = json.loads(run("log", "--json", "--channel", "sms").output)
    screen = io.StringIO()
    terminal = Console(file=screen, width=width, force_terminal=True, highlight=False, soft_wrap=True)
    for module in ("workbench.output", "workbench.cli.log"):
        monkeypatch.setattr(f"{module}.out", terminal)
    run("log", "--channel", "sms")
    line = next(line for line in screen.getvalue().splitlines() if row["event_id"][:8] in line)
    assert row["when"].split()[1] in line
    assert row["state"] in line
    assert ("uploads" in line) is (width > 100)
