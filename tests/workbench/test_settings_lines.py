"""The line of a settings error: for every kind of place, and for any valid TOML document."""

import re
import tomllib
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from chalicelib.domain.settings import SettingsError
from chalicelib.platform.fields.table import KeyPath
from chalicelib.settings.reader import load, read
from tests.support.builders import ENVIRON, SETTINGS
from tests.support.toml_documents import Written, documents
from workbench.account import AccountError, settings_of
from workbench.deployment.setup import Setup, SetupError
from workbench.settings_lines import LocatedFinding, describe, line_of, locate

DOCUMENT = '''\
# A comment
title = "x"
owner."first name" = "asha"

[people]

[people.asha]
email = "asha@example.com"   # trailing comment

[[rules]]
name = "one"

[[rules]]
name = """
[[rules]]
size = 1
"""
notify = [
    "email:asha",  # [[rules]]

    "sms:asha",
]
complete = { files = 24, within = "6h" }
[rules.new]
address.city = "Pune"
[[rules.steps]]
n = 1
[[rules.steps]]
n = 2
[[rules]]
name = 'three'
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("owner", "first name"), 3),
        (("people",), 5),
        (("people", "asha"), 7),
        (("people", "asha", "email"), 8),
        (("people", "asha", "sms"), 7),  # missing: the table's header
        (("people", "ben"), 5),
        (("rules",), 10),
        (("rules", 0), 10),
        (("rules", 0, "size"), 10),
        (("rules", 1, "name"), 14),
        (("rules", 1, "notify"), 18),
        (("rules", 1, "notify", 0), 19),
        (("rules", 1, "notify", 1), 21),
        (("rules", 1, "notify", 2), 18),
        (("rules", 1, "complete", "within"), 23),
        (("rules", 1, "new", "address", "city"), 25),
        (("rules", 1, "steps", 1, "n"), 29),
        (("rules", 2), 30),
        (("rules", 2, "name"), 31),
        (("sms",), 1),
        ((), 1),
    ],
)
def test_line_of_a_path(path: KeyPath, line: int) -> None:
    assert line_of(DOCUMENT, path) == line


def errors_in(tmp_path: Path, text: str) -> list[LocatedFinding]:
    file = tmp_path / "dropnote.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file, environ=ENVIRON, templates=["upload", "incident", "bus", "item"])
    return locate(caught.value, file)


RULE = '[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\n'
BUS = '[[rules]]\nname = "b"\non = "bus"\nnotify = "email:ben"\n'
ITEM = '[[rules]]\nname = "b"\non = "item"\ntable = "orders"\nnotify = "email:ben"\n'
MONITOR = '[[monitors]]\nname = "shop"\nkind = "http"\nurl = "https://a"\nnotify = ["email:ben"]\n'


@pytest.mark.parametrize(
    ("more", "line", "error"),
    [
        ("\n[bott]\nname = 1", 2, "[bott]: unknown table"),
        ('[people.cy]\n\ntimezone = "x"\nemail = "cy@example.com"', 3, "[people.cy], timezone: unknown time zone"),
        ("\n[people.cy]\n", 2, "[people.cy]: no address"),
        ("[analytics]\nkeep = '400d'\nby = [\n'rule',\n'rulle',\n]", 5, "[analytics], by: unknown dimension 'rulle'"),
        (MONITOR + "[holidays]\n# none\nindia = 3", 8, "[holidays], india: must be text or a list"),
        (RULE + "# comment\n\nsizes = 3", 7, "[[rules]] 'b', sizes: unknown field"),
        (RULE + 'size = "12 XB"', 5, "[[rules]] 'b', size: invalid size '12 XB'"),
        (RULE.replace("bucket", "#"), 1, "[[rules]] 'b', bucket: missing"),
        (RULE.replace("name", "#"), 1, "[[rules]] #2, name: missing"),
        (RULE + "complete = { files = 3 }\nby = 'x'", 6, "[[rules]] 'b', by: unknown value"),
        (RULE + "complete = { files = 3, fils = 3 }", 5, "[[rules]] 'b', complete.fils: unknown field"),
        (RULE + "[rules.complete]\nquiet = '5m'\nwithin = '5x'", 7, "[[rules]] 'b', complete.within: invalid duration"),
        (RULE.replace('"email:ben"', '[\n  "email:ben",\n  "fax:ben",\n]'), 6, "[[rules]] 'b', notify: unknown channel 'fax'"),
        (RULE + RULE, 6, "[[rules]] 'b', name: another rule has the same name"),
        (BUS + 'event = [\n"alarm",\n"alarms",\n]', 7, "[[rules]] 'b', event: unknown event 'alarms'"),
        (BUS, 1, "[[rules]] 'b', event: missing"),
        (BUS + "[rules.pattern]\nsource = ['a']\n[rules.pattern.detail]\nstate = 'x'", 8, "[[rules]] 'b', pattern: detail.state"),
        (ITEM + "new.address.city = '>'", 6, "[[rules]] 'b', new.address.city: "),
        (ITEM + "[rules.old]\nstatus = 'paid'\ntotal = []", 8, "[[rules]] 'b', old.total: "),
        (MONITOR + "timeout = '9x'", 6, "[[monitors]] 'shop', timeout: invalid duration"),
        (MONITOR + "timeoutt = '9s'", 6, "[[monitors]] 'shop', timeoutt: unknown field"),
        (MONITOR + "[monitors.within]\nwarn = '9x'", 7, "[[monitors]] 'shop', within.warn: "),
        (MONITOR.replace("kind", "#"), 1, "[[monitors]] 'shop', kind: missing"),
        (MONITOR.replace('"shop"', '"uploads"'), 2, "[[monitors]] 'uploads', name: another rule or monitor"),
        ("monitors = 3", None, ""),
    ],
)
def test_error_has_the_line_of_its_field(tmp_path: Path, more: str, line: int | None, error: str) -> None:
    if line is None:  # a root key has to be before every table
        (found,) = errors_in(tmp_path, f"{more}\n{SETTINGS}")
        assert (found.line, found.finding.where) == (1, "[monitors]")
        return
    before = SETTINGS.count("\n")
    (found,) = errors_in(tmp_path, SETTINGS + more)
    assert str(found).startswith(f"{tmp_path}/dropnote.toml:{before + line}: {error}")


@pytest.mark.parametrize(
    ("text", "place"),
    [("[bot]\nname = \n", ":2:8: invalid TOML: Invalid value"), ("[bot]\n\nname = 'x\n", ":3: invalid TOML: "), ("[bot", ":1: ")],
)
def test_syntax_error_has_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    (found,) = errors_in(tmp_path, text)
    assert f"dropnote.toml{place}" in str(found)
    assert "(at " not in str(found)


@pytest.mark.parametrize("value", ['"x', "'x", '"""x', "'''x", '["x'])
@pytest.mark.parametrize("after", ["", "\nb = 1", "\nb = '1'", '\nb = "1"'])
def test_unclosed_text_is_named_instead_of_a_character(tmp_path: Path, value: str, after: str) -> None:
    file = tmp_path / "dropnote.toml"
    file.write_text(f"a = {value}{after}")
    with pytest.raises(SettingsError) as caught:
        load(file, environ=ENVIRON, templates=[])
    assert re.fullmatch(
        rf"{file}:[12](:\d+)?: invalid TOML: a text is not closed; add the quote at its end", describe(caught.value, file)
    )


def test_unreadable_file_is_named_without_a_line(tmp_path: Path) -> None:
    file = tmp_path / "dropnote.toml"
    with pytest.raises(SettingsError) as caught:
        load(file, environ=ENVIRON, templates=[])
    assert describe(caught.value, file).startswith(f"{file}: the file does not exist; check its path")


def test_errors_are_sorted_by_line(tmp_path: Path) -> None:
    lines = [error.line for error in errors_in(tmp_path, "[[rules]]\nsize = 3\n[people.asha]\nemail = 3\n[bot]\nname = 3\n")]
    assert lines == sorted(lines, key=lambda line: line or 0)
    assert len(set(lines)) == 4


def test_set_up_and_commands_on_a_stage_report_lines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib" / "dropnote.toml").write_text(SETTINGS.replace('name = "uploads"', "name = 3"))
    with pytest.raises(SetupError, match=rf"{tmp_path}/chalicelib/dropnote.toml:19: \[\[rules\]\] '3', name: must be text"):
        Setup(tmp_path, "dev", lambda service: None).settings(ENVIRON)
    monkeypatch.setattr("workbench.account.load", lambda *_, **__: read("[rules]", environ={}, templates=[]))
    with pytest.raises(AccountError, match=r"\nchalicelib/dropnote.toml:\d+: \[rules\]: must be a list of tables; use \[\[rules"):
        settings_of("dev")


@given(documents())
def test_line_of_every_key_of_any_document(document: Written) -> None:
    raw: Any = tomllib.loads(document.text)
    for path, line in document.lines.items():
        reduce(getitem, path, raw)  # the path exists
        assert line_of(document.text, path) == line
        assert line_of(document.text, (*path, "missing key")) == line
