"""The settings file: every error is reported, each with its place and the next step."""

from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.bot.assembly import SETTINGS_FILE, load_settings
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import SizeRange, size_range
from chalicelib.domain.settings import SettingsError
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration, parse_rate
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


def test_shipped_settings_are_valid() -> None:
    settings = load_settings(ENVIRON)
    assert [rule.name for rule in settings.rules] == ["uploads", "invoices", "cloud", "rejected orders", "orders"]
    assert {monitor.table: monitor.kind for monitor in settings.monitors} == {
        "shop": "http",
        "feed": "freshness",
        "web server": "instance",
    }


def test_every_mistake_is_reported() -> None:
    reported = findings(TEN_MISTAKES)
    assert len(reported) == 12
    for start in [
        "[bott]: unknown table; did you mean 'bot'?",
        "[bot], timezone: unknown time zone 'Asia/Kalkata'; did you mean 'Asia/Kolkata'?",
        "[people.asha], email: invalid e-mail address ",
        "[people.asha], sms: invalid phone number ",
        "[[rules]] 'uploads', bucket: invalid bucket name 'Acme_Drops'; use ",
        "[[rules]] 'uploads', key: '[open' ",
        "[[rules]] 'uploads', size: invalid size '> 1 XB'; use ",
        "[[rules]] 'uploads', expires: invalid duration 'soon'; use ",
        "[[rules]] 'uploads', template: unknown template 'uplaod'; did you mean 'upload'?",
        "[[rules]] 'uploads', notify: unknown channel 'emial'; did you mean 'email'?",
        "[[rules]] 'uploads', notify: unknown person or group 'ahsa'; did you mean 'asha'?",
        "[[rules]] 'uploads', fallbak: unknown field; did you mean 'fallback'?",
    ]:
        assert [finding for finding in reported if finding.startswith(start)], start


def test_errors_mask_addresses() -> None:
    text = "\n".join(findings(TEN_MISTAKES))
    assert "zoe.smith" not in text
    assert "12345678;" not in text


def test_group_reaches_each_member_once() -> None:
    settings = some_settings('[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = ["email:finance", "email:ben"]')
    assert [(recipient.channel, recipient.person.name) for recipient in settings.rules[1].recipients] == [
        (Channel.EMAIL, "asha"),
        (Channel.EMAIL, "ben"),
    ]


RULE = '[[rules]]\nname = "b"\nbucket = "acme-drops"\n'


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ('[[rules]]\nname = "uploads"\nbucket = "acme-drops"\nnotify = "email:ben"', "another rule has the same name"),
        (RULE + 'notify = "sms:ben"', "ben has no sms; add sms to [people.ben]"),
        (RULE, 'notify: missing; set it, for example notify = ["email:asha"]'),
        ('[[rules]]\nname = "b"\nbucket = "${NOPE}"\nnotify = "email:ben"', "environment variable NOPE is not set; set it in"),
        (RULE + 'notify = "email:ben"\nsize = ["> 2 KB", "< 1 KB"]', "[[rules]] 'b', size: "),
        (RULE + 'notify = "email:ben"\ncreated = "putt"', "created: unknown value 'putt'; did you mean 'put'?"),
        (RULE + 'notify = "email:ben"\nfallback = "10m"', "fallback: no recipient has a second channel; give"),
        (RULE + 'notify = "email:asha"\nfallback = "soon"', "fallback: invalid duration 'soon'"),
        (RULE + 'notify = "email:ben"\nkey = []', "key: empty; remove it to match every key"),
        (RULE + "notify = []", "notify: empty; add a recipient"),
        (RULE + "notify = [3]", "notify: every entry must be text, not a whole number; put it in quotes"),
        (RULE.replace('"b"', "3") + 'notify = "email:ben"', "[[rules]] '3', name: must be text, not a whole number; put it in"),
        ("[people.cy]\n", "[people.cy]: no address; set email, sms or whatsapp"),
        ('[people.cy]\nemail = "cy@example.com"\n[groups.cy]', "[groups], cy: must be text or a list of texts, not a table"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(more: str, error: str) -> None:
    assert error in "\n".join(findings(SETTINGS + more))


@pytest.mark.parametrize("text", ["[bot", "rules = 3", "people = []", "[bot]\nname = 3", "", "[[bot]]"])
def test_malformed_file_is_reported_without_a_traceback(text: str) -> None:
    assert findings(text)


def test_unknown_outcomes_have_a_policy_per_channel() -> None:
    settings = some_settings()
    assert [settings.unknown_policy(channel) for channel in (Channel.EMAIL, Channel.SMS)] == ["resend", "resend"]
    assert "did you mean 'give-up'?" in "\n".join(findings(SETTINGS.replace("[sms]\n", '[sms]\nunknown = "giveup"\n')))


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("14 per second", 14), ("0.5 per second", 0.5), ("30 per minute", 0.5), (" 30  per minute ", 0.5), ("180 per hour", 0.05)],
)
def test_rates(text: str, per_second: float) -> None:
    assert parse_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize(
    "text", ["", "14", "14/s", "-1 per second", "1e3 per second", "14 per day", "per second", "1. per second"]
)
def test_other_rates_are_invalid(text: str) -> None:
    with pytest.raises(FieldError, match="invalid rate"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0 per second", "0.5 per hour", "2000 per second"])
def test_rates_that_never_or_always_send_are_out_of_range(text: str) -> None:
    with pytest.raises(FieldError, match="out of range"):
        parse_rate(text)


SMTP = 'transport = "smtp"\nhost = "mail.example.com"\n'


@pytest.mark.parametrize(
    ("email", "sms", "rates"),
    [
        ("", "", [14, 10]),
        (SMTP, "", [1, 10]),
        ('rate = "0.5 per second"\n' + SMTP, 'rate = "1 per second"\n', [0.5, 1]),
        ('rate = "600 per minute"\n', 'rate = "100 per second"\n', [10, 100]),
    ],
)
def test_each_channel_has_a_rate(email: str, sms: str, rates: list[float]) -> None:
    settings = some_settings(**{"[email]\n": "[email]\n" + email, "[sms]\n": "[sms]\n" + sms})
    assert [settings.max_rate(channel) for channel in (Channel.EMAIL, Channel.SMS)] == rates


@pytest.mark.parametrize("table", ["[email]", "[sms]"])
def test_invalid_rate_names_its_field_and_the_next_step(table: str) -> None:
    (invalid,) = findings(SETTINGS.replace(table, f'{table}\nrate = "fast"'))
    assert invalid.startswith(f"{table}, rate: invalid rate 'fast'; use for example \"14 per second\", ")
    (number,) = findings(SETTINGS.replace(table, f"{table}\nrate = 14"))
    assert number == f"{table}, rate: must be text, not a whole number; put it in quotes"


def test_number_of_sweeps_is_limited() -> None:
    assert some_settings().bot.sweepers == 4
    assert some_settings(**{"[bot]": "[bot]\nsweepers = 16"}).bot.sweepers == 16
    for number in (0, 17):
        assert findings(SETTINGS.replace("[bot]", f"[bot]\nsweepers = {number}")) == [
            f"[bot], sweepers: {number} is out of range; use 1 to 16"
        ]


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings(ENVIRON, tmp_path / "nothing.toml")


def test_shipped_file_is_in_the_package() -> None:
    assert SETTINGS_FILE.exists()


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [(">= 1 KB", 1024, None), ("> 1 KB", 1025, None), ("< 5 GB", None, 5 * 1024**3 - 1), ("= 0", None, 0), ("<= 10", None, 10)],
)
def test_size_conditions(text: str, least: int | None, most: int | None) -> None:
    assert size_range((text,)) == SizeRange(least, most)


def test_durations() -> None:
    assert parse_duration("90s") == timedelta(seconds=90)
    assert parse_duration("7d") == timedelta(days=7)
    with pytest.raises(FieldError):
        parse_duration("0m")
