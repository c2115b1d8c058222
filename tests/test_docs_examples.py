"""Every TOML example of the docs passes `dropnote check`; `dropnote simulate` sends an event that matches its rule."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import load
from tests.support.docs_examples import VARIABLES, Example, examples
from tests.support.matching_payloads import matching_payload
from workbench.cli.main import main

EXAMPLES = list(examples())


@pytest.fixture
def file(example: Example, tmp_path: Path) -> Path:
    path = tmp_path / "dropnote.toml"
    path.write_text(example.text)
    return path


def test_docs_have_examples_of_each_page() -> None:
    """The reader of examples would notice a page whose format it does not understand."""
    pages = {example.place.partition(":")[0] for example in EXAMPLES}
    assert {"README.md", "calm.md", "deploy.md", "monitors.md"} <= pages
    assert len(EXAMPLES) >= 25


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
