"""The dropnote command: its output and exit codes, and that errors never show a traceback."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.settings.test_reader import TEN_MISTAKES
from workbench.cli.main import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_shipped_settings_and_templates_are_valid() -> None:
    result = run("check")
    assert result.exit_code == 0, result.output
    assert result.output.endswith("chalicelib/dropnote.toml: OK\n")
    assert "1 segment, GSM-7" in result.output


def test_check_reports_every_error_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "mistakes.toml"
    file.write_text(TEN_MISTAKES)
    plain, as_json = run("check", "--settings", str(file)), run("check", "--settings", str(file), "--json")
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert "12 errors" in plain.output
    assert len(json.loads(as_json.output)["findings"]) == 12


@pytest.mark.parametrize("text", ["[bot", "", "\x00", "rules = [1]"])
def test_unreadable_settings_file_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    result = run("check", "--settings", str(file))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)


def test_preview_shows_every_part_of_a_template() -> None:
    parts = json.loads(run("preview", "upload", "--json").output)
    assert set(parts) == {"chat.txt", "sms.txt", "subject.txt", "email.txt", "email.html"}


def test_preview_reads_an_event_from_a_file(tmp_path: Path) -> None:
    from tests.support.payloads import bus_event, s3_notification, s3_record

    for payload in (s3_notification(s3_record("in/mine.csv")), bus_event("in/mine.csv")):
        file = tmp_path / "event.json"
        file.write_text(json.dumps(payload))
        assert "mine.csv" in run("preview", "upload", "--event", str(file)).output


@pytest.mark.parametrize("text", ["no json", "{}", '{"Records": [{}]}'])
def test_preview_rejects_a_file_without_an_event(tmp_path: Path, text: str) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)
    result = run("preview", "upload", "--event", str(file))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)


def test_preview_of_an_unknown_template_lists_the_known_ones() -> None:
    result = run("preview", "uplaod")
    assert result.exit_code == 1
    assert "upload" in result.output


NEED_AN_ENVIRONMENT = [
    "log",
    "show ab",
    "resend ab",
    "redrive",
    "people",
    "backfill s3://b --since 1d",
    "test asha",
    f"put {__file__}",
]


@pytest.mark.parametrize("command", NEED_AN_ENVIRONMENT)
def test_missing_local_environment_is_one_sentence(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    for module in ("cli.first_steps.put", "account"):
        monkeypatch.setattr(f"workbench.{module}.read_running", lambda: None)
    result = run(*command.split())
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "make run" in result.output


@pytest.mark.parametrize(("ports", "error"), [(["--port", "99999"], "0<=x<=65535"), (["--port", "4580"], "different ports")])
def test_invalid_ports_are_an_error(ports: list[str], error: str) -> None:
    result = CliRunner().invoke(main, ["up", *ports])
    assert result.exit_code != 0
    assert error in result.output


@pytest.mark.parametrize("name", ["", *main.commands])
def test_help_fits_on_a_terminal(name: str) -> None:
    """A one-line summary per command, none cut off in the list of all commands."""
    result = run(*filter(None, [name]), "--help")
    assert result.exit_code == 0
    assert "..." not in result.output.partition("Commands:")[2]
