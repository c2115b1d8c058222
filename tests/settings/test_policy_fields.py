"""The knobs that keep the bot calm: read, refused where they contradict each other, and as the documents show them."""

import re

import pytest

from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS
from chalicelib.domain.bundle import By
from chalicelib.domain.event import Severity
from chalicelib.domain.settings import Settings, SettingsError
from tests.support.builders import some_settings
from workbench.paths import PROJECT

NOTIFY = 'notify = ["email:asha", "sms:asha"]'
ZONE = 'timezone = "Asia/Kolkata"'


def with_rule(more: str, person: str = "") -> Settings:
    return some_settings(**{NOTIFY: f"{NOTIFY}\n{more}", ZONE: f"{ZONE}\n{person}"})


def refused(more: str, person: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        with_rule(more, person)
    return "\n".join(map(str, caught.value.findings))


def test_knobs_of_a_rule() -> None:
    (rule,) = with_rule('then = "10m"\nby = "folder/2"\nseverity = "warning"\nquiet = "weekend"\nbudget = "20 per hour"').rules
    assert (rule.by, rule.severity, rule.urgent) == (By("folder", 2), Severity.WARNING, False)
    assert [str(each) for each in (*rule.quiet, *rule.budget)] == ["weekend", "20 messages per hour"]


def test_what_is_critical_is_urgent_unless_the_settings_say_otherwise() -> None:
    assert with_rule('severity = "critical"').rules[0].urgent
    assert not with_rule('severity = "critical"\nurgent = false\nthen = "10m"').rules[0].urgent


def test_a_person_has_a_budget_unless_the_settings_say_otherwise() -> None:
    assert with_rule("").people["asha"].budget == DEFAULT_PERSON_LIMITS
    assert with_rule("", "budget = []").people["asha"].budget == ()


def test_a_delivery_of_many_files_is_by_folder_unless_the_settings_say_otherwise() -> None:
    assert with_rule("complete = { files = 24 }").rules[0].by == By("folder")
    assert with_rule('complete = { files = 24 }\nby = "bucket"').rules[0].by == By("bucket")


@pytest.mark.parametrize(
    ("rule", "person", "told"),
    [
        ('then = "10m"\ncomplete = "_SUCCESS"', "", "then: complete tells of a delivery once"),
        ('digest = "hourly"\nthen = "10m"', "", "digest: a digest bundles by itself"),
        ('urgent = true\nthen = "10m"', "", "urgent: what is urgent waits for nothing, and then lets it wait"),
        ('severity = "critical"\nquiet = "weekend"', "", "urgent: what is urgent waits for nothing, and quiet lets it wait"),
        ('by = "folder"', "", "by: there is nothing to bundle"),
        ('then = "30s"', "", "then: '30s' is too short"),
        ('then = "10m"\nby = "colour"', "", "by: 'colour' is nothing to bundle by"),
        ('complete = { files = 3, quiet = "5m" }', "", "complete: one of marker, files and quiet"),
        ('complete = { quiet = "7h" }', "", "complete: its quiet is as long as all the time it has"),
        ("complete = { fils = 3 }", "", "fils: there is no such field; did you mean 'files'?"),
        ('key = "in/**/*.csv"\ncomplete = "_SUCCESS"', "", "complete: no key that the rule wants ends in _SUCCESS"),
        ('quiet = "07:00-22:00"', 'quiet = "22:00-07:00"', "quiet: it leaves no time to tell asha"),
        ('digest = "daily 23:00"', 'quiet = "22:00-07:00"', "digest: it falls into quiet hours of asha"),
        ("", 'quiet = ["00:00-12:00", "12:00-24:00"]', "quiet: it leaves no time to tell anything"),
        ("", 'quiet = "22:00-07:00"\ndigest = "daily 06:00"', "digest: it falls into the quiet hours"),
        ("", "all_quiet = true", "all_quiet: it goes with a digest"),
        ("", "all_quiet = 1", "all_quiet: it is a whole number, not true or false"),
        ("", 'quiet = "at night"', "quiet: 'at night' is no quiet time; write"),
        ("", 'digest = "daily"', "digest: 'daily' is no time for digests; write"),
        ("", 'budget = "some"', "budget: 'some' is no budget"),
        ('severity = "hot"', "", "severity: 'hot' is none of info, warning, critical"),
    ],
)
def test_contradictions_and_slips_are_told_with_what_to_do(rule: str, person: str, told: str) -> None:
    assert told in refused(rule, person)


def test_a_digest_in_the_middle_of_quiet_hours_that_leave_it_other_times_is_fine() -> None:
    assert with_rule('digest = "hourly"', 'quiet = "22:00-07:00"').rules[0].digest


def test_every_knob_of_the_documents_and_of_the_shipped_file_can_be_read() -> None:
    calm = (PROJECT / "docs" / "calm.md").read_text()
    shipped = (PROJECT / "chalicelib" / "dropnote.toml").read_text()
    words = "then|by|complete|digest|all_quiet|quiet|severity|urgent|empty|budget"
    alert_policy = re.findall(rf"^    ((?:{words}) = .*?) *(?:#.*)?$", calm, re.MULTILINE)
    alert_policy += re.findall(rf"^# ((?:{words}) = .*?) *(?:#.*)?$", shipped, re.MULTILINE)
    assert len(alert_policy) > 20
    for knob in alert_policy:
        name = knob.partition(" ")[0]
        more = 'then = "10m"' if name == "by" else ""
        if name == "all_quiet":
            with_rule("", f'digest = "daily 08:00"\n{knob}')
        else:
            with_rule(f"{more}\n{knob}")
