"""`dropnote put`: what arrives in the bucket, and what is said of the rules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chalicelib.domain.settings import Settings
from tests.support.builders import some_settings
from workbench.cli.main import main
from workbench.local.ministack import MiniStack

BUCKET = "put-uploads"
RULE = """
[[rules]]
name = "contracts"
bucket = "put-uploads"
key = "legal/**"
content_type = "application/pdf"
tags = { class = "final" }
notify = "email:ben"
"""


@dataclass
class Running:
    """A local environment, as far as `put` needs one."""

    ministack: MiniStack
    settings: Settings
    bucket: str = BUCKET
    server: str = "http://127.0.0.1:4580"

    def client(self, service: str) -> Any:
        return self.ministack.client(service)

    def head(self, key: str) -> Any:
        return self.client("s3").head_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def running(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Running:
    running = Running(ministack, some_settings(RULE))
    running.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setattr("workbench.cli.first_steps.put.read_running", lambda: running)
    monkeypatch.setattr("workbench.cli.first_steps.put.find_account", lambda stage: running)
    return running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF")
    return file


def put(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["put", *map(str, arguments)])


def test_content_type_is_guessed_as_the_aws_cli_does(running: Running, file: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv.gz").write_bytes(b"x")
    (tmp_path / "odd.qqq").write_bytes(b"x")
    for name in ("a.pdf", "table.csv.gz", "odd.qqq"):
        assert put(tmp_path / name).exit_code == 0
    types = [running.head(name)["ContentType"] for name in ("a.pdf", "table.csv.gz", "odd.qqq")]
    assert types == ["application/pdf", "text/csv", "binary/octet-stream"]


def test_options_set_what_filters_look_at(running: Running, file: Path) -> None:
    result = put(file, "legal/b.pdf", "--content-type", "text/x-odd", "--metadata", "Class=a=b", "--tag", "class=final & more")
    assert result.exit_code == 0
    head = running.head("legal/b.pdf")
    assert (head["ContentType"], head["Metadata"]) == ("text/x-odd", {"class": "a=b"})
    tags = running.client("s3").get_object_tagging(Bucket=BUCKET, Key="legal/b.pdf")["TagSet"]
    assert tags == [{"Key": "class", "Value": "final & more"}]


def test_filters_count_when_it_says_that_nobody_is_notified(running: Running, file: Path) -> None:
    assert "Nobody is notified" not in put(file, "legal/b.pdf", "--tag", "class=final").output
    without = put(file, "legal/c.pdf").output
    assert "Nobody is notified" in without
    assert "rule contracts: " in without


def test_slash_at_the_beginning_is_left_out_and_said(running: Running, file: Path) -> None:
    result = put(file, "/legal/d.pdf")
    assert running.head("legal/d.pdf")["ContentLength"] == 4
    assert "s3://put-uploads/legal/d.pdf" in result.output
    assert "slash at the beginning" in result.output


@pytest.mark.parametrize(("key", "stored"), [("legal/", "legal/a.pdf"), ("/", "a.pdf")])
def test_key_that_ends_with_a_slash_is_a_folder(running: Running, file: Path, key: str, stored: str) -> None:
    assert f"s3://put-uploads/{stored} " in put(file, key).output
    assert running.head(stored)["ContentLength"] == 4


@pytest.mark.parametrize("option", ["--metadata", "--tag"])
def test_pair_without_a_value_is_an_error(running: Running, file: Path, option: str) -> None:
    result = put(file, "e.pdf", option, "final")
    assert (result.exit_code, "'final' is not NAME=VALUE" in result.output) == (2, True)
