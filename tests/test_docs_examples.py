"""Every TOML example of the docs works: `dropnote check` and an editor with the schema accept it, and `dropnote simulate` sends
an event that matches its rule.
"""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.channels.webhook.formats import FORMATS
from chalicelib.domain.filters.upload import UploadFilter
from chalicelib.domain.people import Channel
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import load
from tests.support.docs_examples import VARIABLES, Example, examples
from tests.support.matching_payloads import matching_payload
from tests.support.taplo import invalid_files
from workbench.cli.main import main
from workbench.schema.build import FILE

EXAMPLES = list(examples())


@pytest.fixture
def file(example: Example, tmp_path: Path) -> Path:
    path = tmp_path / "dropnote.toml"
    path.write_text(example.text)
    return path


def test_docs_have_examples_of_each_page() -> None:
    """The reader of examples would notice a page whose format it does not understand."""
    pages = {example.place.partition(":")[0] for example in EXAMPLES}
    assert {"README.md", "calm.md", "channels.md", "console.md", "deploy.md", "metrics.md", "monitors.md", "settings.md"} <= pages
    assert len(EXAMPLES) >= 40


def test_settings_page_has_an_example_of_each_filter_and_channel() -> None:
    examples_ = [example for example in EXAMPLES if example.place.startswith("settings.md")]
    text = "\n".join(example.text for example in examples_)
    for name in UploadFilter.__struct_fields__:
        field = {"none": "not"}.get(name, name)
        assert re.search(rf"\b{field} = ", text), field
    assert {channel for channel in Channel if f'"{channel}:' in text} == {*Channel}
    assert {name for name in FORMATS if f'format = "{name}"' in text} == {*FORMATS}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_example_passes_check(example: Example, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.reports.check._check_template", lambda *_: None)  # no example changes a template
    result = CliRunner().invoke(main, ["check", "--settings", str(file)])
    assert result.exit_code == 0, f"{example.place}\n{example.text}\n{result.output}"


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example.rules], ids=lambda example: example.place)
def test_rule_of_an_example_sends_what_it_says(example: Example, file: Path) -> None:
    settings = load(file, environ=VARIABLES, templates=template_names())
    rules = [rule for rule in settings.rules if rule.name in example.rules]
    payloads = "\n".join(json.dumps(matching_payload(rule, settings)) for rule in rules)
    result = CliRunner().invoke(main, ["simulate", "-", "--dry-run", "--settings", str(file), "--json"], input=payloads)
    assert result.exit_code == 0, f"{example.place}\n{example.text}\n{result.output}"
    answers = json.loads(result.stdout)["payloads"]
    for rule, answer in zip(rules, answers, strict=True):
        (event,) = answer["events"]
        (outcome,) = [outcome for outcome in event["rules"] if outcome["rule"] == rule.name]
        assert outcome["matches"], f"{example.place}: {outcome['why_not']}"
        assert len(outcome["messages"]) == len(rule.recipients)


def test_editor_accepts_every_example(tmp_path: Path) -> None:
    files = {tmp_path / f"{number}.toml": example for number, example in enumerate(EXAMPLES)}
    for file, example in files.items():
        file.write_text(f"#:schema {FILE.as_uri()}\n{example.text}")
    invalid = invalid_files(*files)
    assert [example.place for file, example in files.items() if file.name in invalid] == []
