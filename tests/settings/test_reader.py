"""Settings: all mistakes at once, each with its place and the nearest that would be right."""

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.assembly import SETTINGS_FILE, load_settings
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import SizeRange, size_range
from chalicelib.domain.settings import SettingsError
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import span
from chalicelib.settings.reader import read
from tests.support.builders import ENVIRON, SETTINGS, some_settings

TEN_MISTAKES = """
[bott]
name = "x"
[bot]
name = "acme-drops"
timezone = "Asia/Kalkata"
[email]
from = "Acme drops <drops@example.com>"
[people.asha]
email = "zoe.smith@nowhere"
sms = "9198 12345678"
[[rules]]
name = "uploads"
bucket = "Acme_Drops"
key = "[open"
size = "> 1 XB"
expires = "soon"
template = "uplaod"
notify = ["emial:asha", "email:ahsa"]
fallbak = true
"""


def findings(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text, environ=ENVIRON, templates=["upload"])
    return [str(finding) for finding in caught.value.findings]


def test_shipped_settings_are_in_order() -> None:
    settings = load_settings(ENVIRON)
    assert [rule.name for rule in settings.rules] == ["uploads", "invoices", "cloud", "refused orders", "orders"]
    assert {monitor.table: monitor.kind for monitor in settings.monitors} == {
        "shop": "http",
        "feed": "freshness",
        "web server": "instance",
    }


def test_every_mistake_is_told_at_once() -> None:
    told = findings(TEN_MISTAKES)
    assert len(told) == 12
    for part in [
        "[bott]: there is no such table; did you mean 'bot'?",
        "[bot], timezone: 'Asia/Kalkata' is not a time zone of the IANA list; did you mean 'Asia/Kolkata'?",
        "[people.asha], email: ",
        "[people.asha], sms: ",
        "rules[1] 'uploads', bucket: 'Acme_Drops' is not a bucket name",
        "rules[1] 'uploads', key: '[open' leaves a bracket open",
        "rules[1] 'uploads', size: '> 1 XB' is not a size condition",
        "rules[1] 'uploads', expires: 'soon' is not a span of time",
        "rules[1] 'uploads', template: there is no template 'uplaod'; did you mean 'upload'?",
        "rules[1] 'uploads', notify: 'emial' is no channel; did you mean 'email'?",
        "rules[1] 'uploads', notify: there is no person or group 'ahsa'; did you mean 'asha'?",
        "rules[1] 'uploads', fallbak: there is no such field",
    ]:
        assert [line for line in told if line.startswith(part)], part


def test_addresses_are_not_told_in_full() -> None:
    text = "\n".join(findings(TEN_MISTAKES))
    assert "zoe.smith" not in text
    assert "12345678;" not in text


def test_group_reaches_each_member_once() -> None:
    settings = some_settings('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = ["email:finance", "email:ben"]')
    assert [(each.channel, each.person.name) for each in settings.rules[1].recipients] == [
        (Channel.EMAIL, "asha"),
        (Channel.EMAIL, "ben"),
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[[rules]]\nname = "uploads"\nbucket = "acme-drops"\nnotify = "email:ben"', "an earlier rule has this name already"),
        ('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "sms:ben"', "ben has no sms"),
        ('[[rules]]\nname = "b"\nbucket = "acme-drops"', "notify: it is missing"),
        ('[[rules]]\nname = "b"\nbucket = "${NOPE}"\nnotify = "email:ben"', "the environment has no NOPE"),
        ('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\nsize = ["> 2 KB", "< 1 KB"]', "no size can fulfil"),
        ('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\ncreated = "putt"', "did you mean 'put'?"),
        (
            '[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\nfallback = "10m"',
            "nobody it notifies has another",
        ),
        (
            '[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:asha"\nfallback = "soon"',
            "'soon' is not a span of time",
        ),
        ('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\nkey = []', "key: it names nothing"),
        ("[people.cy]\n", "there is no way to this person"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(more: str, told: str) -> None:
    assert told in "\n".join(findings(SETTINGS + more))


@pytest.mark.parametrize("text", ["[bot", "rules = 3", "people = []", "[bot]\nname = 3", "", "[[bot]]"])
def test_odd_files_are_findings_not_tracebacks(text: str) -> None:
    assert findings(text)


def test_unknown_outcomes_have_two_policies_and_each_channel_its_default() -> None:
    settings = some_settings()
    assert [settings.unknown(channel) for channel in Channel] == ["resend", "give-up"]
    assert "did you mean 'give-up'?" in "\n".join(findings(SETTINGS.replace("[sms]\n", '[sms]\nunknown = "giveup"\n')))


def test_missing_file_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(ENVIRON, tmp_path / "nothing.toml")


def test_file_is_where_the_package_has_it() -> None:
    assert SETTINGS_FILE.exists()


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [(">= 1 KB", 1024, None), ("> 1 KB", 1025, None), ("< 5 GB", None, 5 * 1024**3 - 1), ("= 0", None, 0), ("<= 10", None, 10)],
)
def test_size_conditions(text: str, least: int | None, most: int | None) -> None:
    assert size_range((text,)) == SizeRange(least, most)


def test_spans() -> None:
    assert span("90s") == timedelta(seconds=90)
    assert span("7d") == timedelta(days=7)
    with pytest.raises(FieldError):
        span("0m")
