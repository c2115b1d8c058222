"""The operator's commands: what they show, what they change, how they end; on a bot in memory."""

import csv
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from click.testing import CliRunner, Result

from chalicelib.bot import Bot
from chalicelib.domain.event import Batch, Unknown, Upload
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from workbench.cli.main import main
from workbench.reports import ledger_log


@dataclass
class Account:
    """An account whose bot a test holds in its hand."""

    stage: Stage
    settings: Settings

    def bot(self) -> Bot:
        return self.stage.bot


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An hour ago a text was refused and the mail arrived; the commands look at it now."""
    stage = memory_stage()
    stage.now = utc_now() - timedelta(hours=1)
    stage.text.answers.append(Answer.REFUSE)
    stage.take(an_upload("in/=2+2.pdf"))
    stage.now = utc_now()
    monkeypatch.setattr("workbench.cli.deliveries.find_account", lambda name: Account(stage, stage.settings))
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def rows(*arguments: str) -> list[dict[str, str]]:
    result = run("log", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, str]] = json.loads(result.output)
    return found


def id_of(stage: Stage, channel: str = "sms") -> str:
    return next(row["id"] for row in rows("--rule", "uploads") if row["channel"] == channel)


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
def test_log_shows_what_is_asked_for(stage: Stage, filters: list[str], count: int) -> None:
    assert len(rows(*filters)) == count


def test_log_for_spreadsheets_has_no_formulas(stage: Stage) -> None:
    stage.take(an_upload("=cmd|' /C calc'!A0", sequencer="01"))
    read = list(csv.DictReader(io.StringIO(run("log", "--csv").output)))
    assert {row["what"] for row in read} >= {"'=cmd|' /C calc'!A0", "in/=2+2.pdf"}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("in/new.part", "rule uploads: the key is a temporary name of a sync client or an editor"),
        ("in/new.pdf", "rule uploads: its name is wanted; no event of it came, or its size is not"),
    ],
)
def test_log_says_why_nothing_was_sent(stage: Stage, key: str, why: str) -> None:
    told = run("log", "--key", key).output
    assert why in told
    assert "dropnote backfill" in told


def test_log_follows_what_is_new_and_what_has_changed(stage: Stage) -> None:
    failed = stage.rows()["sms"]
    looks = iter([[failed], [failed], [stage.rows()["email"], failed]])
    followed = ledger_log.changes(lambda: list(next(looks)), lambda: None)
    assert [row.id for row in islice(followed, 2)] == [failed.id, stage.rows()["email"].id]


@pytest.mark.parametrize("since", ["soon", "2026-13-01", ""])
def test_moment_that_is_none_is_said(stage: Stage, since: str) -> None:
    result = run("log", "--since", since)
    assert (result.exit_code, "is no moment" in result.output) == (1, True)


def test_show_tells_the_whole_story(stage: Stage) -> None:
    run("resend", id_of(stage))
    stage.sweep()
    told = json.loads(run("show", id_of(stage)[:12], "--json").output)
    assert [step["state"] for step in told["story"]] == ["claimed", "failed", "retry", "claimed", "sent"]
    assert "asked for by" in told["story"][2]["why"]
    assert "in/=2+2.pdf" in run("show", id_of(stage)[:12]).output


def test_show_has_a_parked_payload_made_fit_to_show(stage: Stage) -> None:
    stage.bot.take(Batch(unknown=(Unknown("s3", "it has no Records", {"odd": "\u202eevil"}),)), plenty)
    (row,) = rows("--state", "parked")
    assert "\u202e" not in run("show", row["id"]).output
    assert "it has no Records" in run("show", row["id"]).output


def test_id_of_nothing_and_of_several_is_said(stage: Stage) -> None:
    assert run("show", "zz").output == "The ledger has nothing with the id zz.\n"
    several = run("show", "")
    assert (several.exit_code, "give more of it" in several.output) == (1, True)


def test_resend_of_what_was_sent_is_refused(stage: Stage) -> None:
    result = run("resend", id_of(stage, "email"))
    assert (result.exit_code, "it was sent at" in result.output) == (1, True)


def test_redrive_tells_first_and_does_it_when_told_to(stage: Stage) -> None:
    dry = run("redrive")
    assert "1 row; nothing was changed: --yes does it" in dry.output
    assert stage.sweep() == []
    assert "due at once" in run("redrive", "--yes").output
    assert stage.sweep() == ["sms sent"]
    assert json.loads(run("redrive", "--json").output) == []


def test_people_shows_who_is_dead_and_what_to_do(stage: Stage) -> None:
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/b.pdf", sequencer="02"))
    told = {(row["person"], row["channel"]): row for row in json.loads(run("people", "--json").output)}
    assert told["asha", "email"]["stands"] == "in order"
    assert told["asha", "sms"]["stands"].startswith("bad-address since")
    assert told["asha", "sms"]["next"] == "dropnote test asha"
    assert "9812345678" not in run("people").output


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoCredentialsError(), "AWS cannot be asked: Unable to locate credentials"),
        (ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no table"}}, "Query"), "AWS refused Query"),
    ],
)
def test_what_aws_refuses_is_one_sentence(stage: Stage, error: Exception, sentence: str) -> None:
    def refuse(*_: object) -> None:
        raise error

    stage.ledger.newest = refuse
    result = run("log")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert sentence in result.output


def test_stage_that_is_none_is_said() -> None:
    assert run("log", "--stage", "nosuch").output == "There is no stage nosuch in .chalice/config.json.\n"


def test_state_that_there_is_not_is_told_with_those_there_are(stage: Stage) -> None:
    result = run("log", "--state", "bogus")
    assert result.exit_code == 2
    assert "'failed'" in result.output


def test_misspelt_person_is_asked_about(stage: Stage) -> None:
    assert "did you mean 'asha'?" in run("log", "--who", "ashaa").output


def test_upload_that_no_rule_wants_says_why() -> None:
    told = ledger_log.unwanted(some_settings(), Upload("acme-drops", "in/file.part", 5))
    assert told == ["rule uploads: the key is a temporary name of a sync client or an editor"]
    assert ledger_log.unwanted(some_settings(), Upload("acme-drops", "in/file.pdf", 5)) == []
