"""Further conditions of upload rules: every mistake names its place and the next step."""

import pytest

from chalicelib.domain.filters.upload import Fact
from chalicelib.domain.settings import SettingsError
from tests.support.builders import some_settings

RULE = '[[rules]]\nname = "b"\nbucket = "acme-drops"\nnotify = "email:ben"\n'


def errors_with(fields: str) -> str:
    with pytest.raises(SettingsError) as caught:
        some_settings(RULE + fields)
    return "\n".join(map(str, caught.value.findings))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ('content_type = "pdf"', "content_type: invalid content type 'pdf'; use for example \"application/pdf\""),
        ('content_type = "aplication/pdf"', "content_type: unknown content type 'aplication/pdf'; did you mean 'application'?"),
        ('content_type = "Text/CSV"', "content_type: invalid content type 'Text/CSV'; write it in lower case"),
        ('content_type = "text/csv; charset=utf-8"', "has parameters; remove the part from ';'"),
        ("content_type = []", "content_type: empty; remove it to match all"),
        ("content_type = 3", "content_type: must be text or a list of texts, not a whole number"),
        ("metadata = {}", "metadata: empty; use for example metadata = "),
        ('metadata = "finance"', "metadata: must be a table; use for example metadata = "),
        ('metadata = { x-amz-meta-team = "a" }', "metadata.x-amz-meta-team: 'x-amz-meta-team' has a prefix; write team"),
        ('tags = { class = "> x" }', "tags.class: '> x' does not compare with a number; use for example"),
        ('uploader = ""', "uploader: empty; use for example"),
        ('uploader = "[a"', "uploader: '[a' has an unclosed bracket"),
        ('previous = "nnoe"', "previous: invalid value 'nnoe'; did you mean 'none'? use \"none\" (only new keys)"),
        ('previous = "> 7"', "previous: invalid duration '7'; use for example"),
        ("any = []", "any: empty; use for example any = [{"),
        ('any = "x"', "any: must be a table or a list of tables, not text"),
        ('any = [{ contenttype = "a/b" }]', "any.contenttype: unknown field; did you mean 'content_type'?"),
        ('any = [{ size = "> 1 XB" }]', "any.size: invalid size '> 1 XB'"),
        ('not = { notify = "email:ben" }', "not.notify: unknown field"),
        ("not = {}", "not: has no condition; use one of: key, size, created, content_type"),
        ('all = [{ any = [{ created = "putt" }] }]', "all.any.created: unknown value 'putt'; did you mean 'put'?"),
        ('not={not={not={not={not={key="a"}}}}}', "not.not.not.not.not: nested too deeply; use at most 4 levels"),
        ('contenttype = "a/b"', "contenttype: unknown field; did you mean 'content_type'?"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(fields: str, error: str) -> None:
    assert error in errors_with(fields)


def test_error_in_a_list_of_tables_has_its_path() -> None:
    with pytest.raises(SettingsError) as caught:
        some_settings(RULE + 'any = [{ key = "a" }, { size = "x" }]')
    assert [finding.path for finding in caught.value.findings] == [("rules", 1, "any", 1, "size")]


def test_rule_knows_which_facts_it_needs() -> None:
    rule = some_settings(RULE + 'any = [{ metadata = { a = "b" } }, { not = { previous = "none" } }]').rules[1]
    assert rule.filter
    assert rule.filter.facts == {Fact.HEAD, Fact.PREVIOUS}
    assert some_settings(RULE + 'uploader = "AWS:*"').rules[1].filter.facts == frozenset()  # type: ignore[union-attr]
    assert some_settings(RULE).rules[1].filter is None
