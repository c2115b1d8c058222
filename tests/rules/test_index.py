"""Which uploads match a rule, why one does not, and that the index finds the same rules as checking all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Creation
from chalicelib.domain.rule import Rule, SizeRange
from chalicelib.domain.settings import BotSettings, Settings
from chalicelib.rules import globs
from chalicelib.rules.index import RuleIndex, mismatch_reason
from tests.support.builders import an_upload

RULE = Rule("r", "acme-drops")


@pytest.mark.parametrize(
    ("glob", "key", "is_match"),
    [
        ("**", "a/b/c", True),
        ("*.pdf", "a.pdf", True),
        ("*.pdf", "in/a.pdf", False),
        ("**/*.pdf", "a.pdf", True),
        ("in/**/*.pdf", "in/a.pdf", True),
        ("in/**/*.pdf", "in/x/y/a.pdf", True),
        ("in/**/*.pdf", "out/a.pdf", False),
        ("in/", "in/deep/a", True),
        ("in/", "inn/a", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[!a]b", "cb", True),
        ("[!a]b", "ab", False),
        ("{a,b}/*.csv", "b/x.csv", True),
        ("{a,b}/*.csv", "c/x.csv", False),
        ("*.PDF", "a.pdf", False),
        ("**/x", "/x", True),
        ("a//b", "a//b", True),
        ("line*", "line\nbreak", True),
        ("1+1.txt", "1+1.txt", True),
    ],
)
def test_globs(glob: str, key: str, is_match: bool) -> None:
    assert globs.matches([glob], key) is is_match


def test_exclusions_win_and_work_alone() -> None:
    assert globs.matches(["!**/*.part"], "a.txt")
    assert not globs.matches(["**", "!**/*.part"], "in/a.part")


@pytest.mark.parametrize(
    ("changes", "fields", "why"),
    [
        ({"bucket": "other"}, {}, "wrong bucket: the rule is for acme-drops"),
        ({"key": "in/", "size": 0}, {}, "folder placeholder"),
        ({"key": "in/a.filepart"}, {}, "temporary name of a sync client or editor"),
        ({"key": "in/~$plan.docx"}, {}, "temporary name of a sync client or editor"),
        ({"key": "in/.plan.docx.Xy12Ab"}, {}, "temporary name of a sync client or editor"),
        ({"key": "a.txt"}, {"key": ("*.pdf", "*.csv")}, "key matches none of *.pdf, *.csv"),
        ({"key": "old/a.txt"}, {"key": ("**", "!new/**", "!old/**")}, "key is excluded by !old/**"),
        ({"key": "old/a.txt"}, {"key": ("!old/**",)}, "key is excluded by !old/**"),
        ({"key": "old/a.txt"}, {"key": ("*.pdf", "!old/**")}, "key matches none of *.pdf, !old/**"),
        ({"size": 0}, {}, "file is empty"),
        ({"size": 1234}, {"size": SizeRange(min_bytes=2000)}, "size 1,234 bytes is outside the rule's size"),
        ({"creation": Creation.COPY}, {"created": (Creation.PUT, Creation.POST)}, "created by copy, not put or post"),
    ],
)
def test_upload_that_does_not_match_says_why(changes: dict[str, object], fields: dict[str, object], why: str) -> None:
    event = an_upload(**changes)  # type: ignore[arg-type]
    assert mismatch_reason(replace(RULE, **fields), event) == why
    assert RuleIndex([replace(RULE, **fields)]).match(event) == []


@pytest.mark.parametrize(
    ("glob", "error"),
    [
        ("", "empty glob"),
        ("*/" * 9, "has more than 8 wildcards"),
        ("{a,b", "has an unclosed brace"),
        ("[ab", "has an unclosed bracket"),
        ("[b-a]", "has an invalid range: [b-a]"),
    ],
)
def test_invalid_glob_says_why(glob: str, error: str) -> None:
    with pytest.raises(globs.InvalidGlob) as caught:
        globs.check([glob])
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, {}),
        ({"size": 0}, {"empty": "notify"}),
        ({"size": None}, {"size": SizeRange(min_bytes=11)}),
        ({"key": "a.part"}, {"ignore": ()}),
        ({"key": "in/plan.v2.backup"}, {}),
    ],
)
def test_upload_that_matches(changes: dict[str, object], fields: dict[str, object]) -> None:
    assert RuleIndex([replace(RULE, **fields)]).match(an_upload(**changes))  # type: ignore[arg-type]


names = st.text(alphabet="ab.", min_size=1, max_size=3)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
patterns = st.lists(names | st.sampled_from(["*", "**", "*.a", "?b", "{a,b}"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.lists(patterns, min_size=1, max_size=2), max_size=6), paths)
def test_index_finds_the_same_rules_as_checking_all(all_patterns: list[list[str]], key: str) -> None:
    rules = [Rule(str(position), "acme-drops", key=tuple(globs_)) for position, globs_ in enumerate(all_patterns)]
    event = an_upload(key)
    assert [match.rule for match in RuleIndex(rules).match(event)] == [rule for rule in rules if not mismatch_reason(rule, event)]


def test_buckets_are_named_once_in_order() -> None:
    rules = [Rule("1", "b"), Rule("2", "a"), Rule("3", "b")]
    assert Settings(BotSettings("bot"), rules=tuple(rules)).buckets == ("b", "a")
