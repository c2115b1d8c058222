"""Fields that limit and delay messages: read, rejected where they contradict each other, and valid as the docs show them."""

import re
from datetime import timedelta

import pytest

from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS
from chalicelib.domain.bundle import Grouping
from chalicelib.domain.event import Severity
from chalicelib.domain.settings import Settings, SettingsError
from tests.support.builders import some_settings
from workbench.paths import PROJECT

NOTIFY = 'notify = ["email:asha", "sms:asha"]'
ZONE = 'timezone = "Asia/Kolkata"'


def with_fields(rule: str, person: str = "") -> Settings:
    return some_settings(**{f'{NOTIFY}\nthen = "off"': f"{NOTIFY}\n{rule}", ZONE: f"{ZONE}\n{person}"})


def errors_with(rule: str, person: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        with_fields(rule, person)
    return "\n".join(map(str, caught.value.findings))


def test_policy_fields_of_a_rule_are_read() -> None:
    (rule,) = with_fields('then = "10m"\nby = "folder/2"\nseverity = "warning"\nquiet = "weekend"\nbudget = "20 per hour"').rules
    assert (rule.by, rule.severity, rule.urgent) == (Grouping("folder", 2), Severity.WARNING, False)
    assert [str(value) for value in (*rule.quiet, *rule.budget)] == ["weekend", "20 messages per hour"]


@pytest.mark.parametrize(
    ("fields", "then", "first"),
    [
        ("", timedelta(minutes=10), 5),
        ("first = 1", timedelta(minutes=10), 1),
        ('then = "1h"', timedelta(hours=1), 5),
        ('then = "off"', None, 5),
        ("urgent = true", None, 5),
        ('severity = "critical"', None, 5),
        ('severity = "critical"\nurgent = false', timedelta(minutes=10), 5),
        ('digest = "hourly"', None, 5),
        ('complete = "_SUCCESS"', None, 5),
    ],
)
def test_rule_bundles_unless_another_field_excludes_it(fields: str, then: timedelta | None, first: int) -> None:
    rule = with_fields(fields).rules[0]
    assert (rule.then, rule.first) == (then, first)


def test_critical_rule_is_urgent_by_default() -> None:
    assert with_fields('severity = "critical"').rules[0].urgent
    assert not with_fields('severity = "critical"\nurgent = false\nthen = "10m"').rules[0].urgent


def test_person_has_a_budget_by_default() -> None:
    assert with_fields("").people["asha"].budget == DEFAULT_PERSON_LIMITS
    assert with_fields("", "budget = []").people["asha"].budget == ()


def test_batch_is_grouped_by_folder_by_default() -> None:
    assert with_fields("complete = { files = 24 }").rules[0].by == Grouping("folder")
    assert with_fields('complete = { files = 24 }\nby = "bucket"').rules[0].by == Grouping("bucket")


@pytest.mark.parametrize(
    ("rule", "person", "error"),
    [
        ('then = "10m"\ncomplete = "_SUCCESS"', "", "then: 'then' and 'complete' cannot be combined; remove one"),
        ('digest = "hourly"\nthen = "10m"', "", "digest: 'digest' and 'then' cannot be combined (a digest is already a summary)"),
        ('urgent = true\nthen = "10m"', "", "urgent: 'urgent' and 'then' cannot be combined (urgent messages are not delayed)"),
        (
            'severity = "critical"\nquiet = "weekend"',
            "",
            "severity: a critical rule is urgent and cannot have 'quiet'; remove quiet",
        ),
        ('then = "off"\nby = "folder"', "", "by: 'by' works only with 'then' or 'complete'; add one of them, or remove by"),
        ('digest = "hourly"\nfirst = 3', "", "first: 'first' works only with 'then'; add for example then = \"10m\""),
        ("first = 21", "", "first: 21 is out of range; use 0 to 20"),
        ('then = "30s"', "", "then: '30s' is too short; use \"2m\" or more"),
        ('then = "10m"\nby = "colour"', "", "by: unknown value 'colour'; use"),
        ('complete = { files = 3, quiet = "5m" }', "", "complete: needs exactly one of marker, files and quiet"),
        ('complete = { quiet = "7h" }', "", "complete: quiet must be shorter than within"),
        ("complete = { fils = 3 }", "", "complete.fils: unknown field; did you mean 'files'?"),
        ('key = "in/**/*.csv"\ncomplete = "_SUCCESS"', "", "complete: key never matches _SUCCESS"),
        ('quiet = "07:00-22:00"', 'quiet = "22:00-07:00"', "quiet: quiet hours of the rule and of asha cover the whole week"),
        ('digest = "daily 23:00"', 'quiet = "22:00-07:00"', "digest: falls in the quiet hours of asha"),
        ("", 'quiet = ["00:00-12:00", "12:00-24:00"]', "quiet: quiet hours cover the whole week"),
        ("", 'quiet = "22:00-07:00"\ndigest = "daily 06:00"', "digest: falls in the quiet hours"),
        ("", "all_quiet = true", "all_quiet: 'all_quiet' works only with 'digest'"),
        ("", "all_quiet = 1", "all_quiet: must be true or false, not a whole number"),
        ("", 'quiet = "at night"', "quiet: invalid quiet hours 'at night'; use for example"),
        ("", 'digest = "daily"', "digest: invalid digest time 'daily'; use for example"),
        ("", 'budget = "some"', "budget: invalid budget 'some'; use for example"),
        ('severity = "hot"', "", "severity: unknown value 'hot'; use one of: critical, info, warning"),
    ],
)
def test_invalid_and_contradicting_fields_are_errors_with_a_next_step(rule: str, person: str, error: str) -> None:
    assert error in errors_with(rule, person)


@pytest.mark.parametrize(
    ("quiet", "problem"),
    [
        ("00:00-24:00", "quiet hours cover the whole week"),
        ("07:00-22:00", "quiet hours of the rule and of asha, ben cover the whole week"),
    ],
)
def test_quiet_hours_of_a_rule_are_one_error_for_all_recipients(quiet: str, problem: str) -> None:
    night, ben = '\nquiet = "22:00-07:00"', 'email = "ben@example.com"'
    with pytest.raises(SettingsError) as caught:
        some_settings(
            **{f'{NOTIFY}\nthen = "off"': f'notify = "email:finance"\nquiet = "{quiet}"', ZONE: ZONE + night, ben: ben + night}
        )
    assert [finding.problem for finding in caught.value.findings] == [problem]


def test_hourly_digest_may_be_due_in_some_quiet_hours() -> None:
    assert with_fields('digest = "hourly"', 'quiet = "22:00-07:00"').rules[0].digest


def test_every_example_in_the_docs_and_in_the_shipped_file_is_valid() -> None:
    calm = (PROJECT / "docs" / "calm.md").read_text()
    shipped = (PROJECT / "chalicelib" / "dropnote.toml").read_text()
    names = "then|by|complete|digest|all_quiet|quiet|severity|urgent|empty|budget"
    examples = re.findall(rf"^    ((?:{names}) = .*?) *(?:#.*)?$", calm, re.MULTILINE)
    examples += re.findall(rf"^# ((?:{names}) = .*?) *(?:#.*)?$", shipped, re.MULTILINE)
    assert len(examples) > 20
    for example in examples:
        name = example.partition(" ")[0]
        needed = 'then = "10m"' if name == "by" else ""
        if name == "all_quiet":
            with_fields("", f'digest = "daily 08:00"\n{example}')
        else:
            with_fields(f"{needed}\n{example}")
