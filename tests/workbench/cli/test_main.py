"""The dropnote command: what it says, how it ends, and that nobody ever sees a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.settings.test_reader import TEN_MISTAKES
from workbench.cli.main import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_check_of_the_shipped_files_is_in_order() -> None:
    result = run("check")
    assert result.exit_code == 0, result.output
    assert "in order" in result.output
    assert "1 segment, GSM-7" in result.output


def test_check_tells_every_mistake_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "mistakes.toml"
    file.write_text(TEN_MISTAKES)
    plain, as_json = run("check", "--settings", str(file)), run("check", "--settings", str(file), "--json")
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert "12 findings" in plain.output
    assert len(json.loads(as_json.output)["findings"]) == 12


@pytest.mark.parametrize("text", ["[bot", "", "\x00", "rules = [1]"])
def test_check_of_an_odd_file_is_a_finding(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    result = run("check", "--settings", str(file))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)


def test_preview_shows_every_part_of_a_template() -> None:
    parts = json.loads(run("preview", "upload", "--json").output)
    assert set(parts) == {"sms.txt", "subject.txt", "email.txt", "email.html"}


def test_preview_takes_an_event_from_a_file(tmp_path: Path) -> None:
    from tests.support.payloads import bus_event, s3_notification, s3_record

    for payload in (s3_notification(s3_record("in/mine.csv")), bus_event("in/mine.csv")):
        file = tmp_path / "event.json"
        file.write_text(json.dumps(payload))
        assert "mine.csv" in run("preview", "upload", "--event", str(file)).output


@pytest.mark.parametrize("text", ["no json", "{}", '{"Records": [{}]}'])
def test_preview_of_no_event_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)
    result = run("preview", "upload", "--event", str(file))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)


def test_preview_of_an_unknown_template_says_which_there_are() -> None:
    result = run("preview", "uplaod")
    assert result.exit_code == 1
    assert "upload" in result.output


NEED_A_WORLD = ["log", "show ab", "resend ab", "redrive", "people", "backfill s3://b --since 1d", "test asha", f"put {__file__}"]


@pytest.mark.parametrize("command", NEED_A_WORLD)
def test_no_world_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for module in ("cli.main", "account"):
        monkeypatch.setattr(f"workbench.{module}.read_running", lambda: None)
    result = run(*command.split())
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "make run" in result.output


@pytest.mark.parametrize(("ports", "told"), [(["--port", "99999"], "0<=x<=65535"), (["--port", "4580"], "different ones")])
def test_ports_that_cannot_be_are_told(ports: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["up", *ports])
    assert result.exit_code != 0
    assert told in result.output
