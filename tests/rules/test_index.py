"""Rules: what matches, what does not and why, and that the index changes nothing of it."""

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
    ("glob", "key", "fits"),
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
def test_globs(glob: str, key: str, fits: bool) -> None:
    assert globs.matches([glob], key) is fits


def test_exclusions_win_and_stand_alone() -> None:
    assert globs.matches(["!**/*.part"], "a.txt")
    assert not globs.matches(["**", "!**/*.part"], "in/a.part")


@pytest.mark.parametrize(
    ("changes", "rule", "told"),
    [
        ({"bucket": "other"}, {}, "bucket"),
        ({"key": "in/", "size": 0}, {}, "folder placeholder"),
        ({"key": "in/a.filepart"}, {}, "temporary name"),
        ({"key": "in/~$plan.docx"}, {}, "temporary name"),
        ({"key": "in/.plan.docx.Xy12Ab"}, {}, "temporary name"),
        ({"key": "a.txt"}, {"key": ("*.pdf",)}, "matches none of"),
        ({"size": 0}, {}, "empty"),
        ({"size": 10}, {"size": SizeRange(least=11)}, "outside of the size"),
        ({"creation": Creation.COPY}, {"created": (Creation.PUT,)}, "came by copy"),
    ],
)
def test_what_does_not_match_says_why(changes: dict[str, object], rule: dict[str, object], told: str) -> None:
    event = an_upload(**changes)  # type: ignore[arg-type]
    assert told in mismatch_reason(replace(RULE, **rule), event)
    assert RuleIndex([replace(RULE, **rule)]).match(event) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, {}),
        ({"size": 0}, {"empty": "notify"}),
        ({"size": None}, {"size": SizeRange(least=11)}),
        ({"key": "a.part"}, {"ignore": ()}),
        ({"key": "in/plan.v2.backup"}, {}),
    ],
)
def test_what_matches(changes: dict[str, object], rule: dict[str, object]) -> None:
    assert RuleIndex([replace(RULE, **rule)]).match(an_upload(**changes))  # type: ignore[arg-type]


names = st.text(alphabet="ab.", min_size=1, max_size=3)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
patterns = st.lists(names | st.sampled_from(["*", "**", "*.a", "?b", "{a,b}"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.lists(patterns, min_size=1, max_size=2), max_size=6), paths)
def test_index_finds_what_trying_every_rule_finds(all_patterns: list[list[str]], key: str) -> None:
    rules = [Rule(str(position), "acme-drops", key=tuple(each)) for position, each in enumerate(all_patterns)]
    event = an_upload(key)
    assert [match.rule for match in RuleIndex(rules).match(event)] == [rule for rule in rules if not mismatch_reason(rule, event)]


def test_buckets_are_named_once_in_order() -> None:
    rules = [Rule("1", "b"), Rule("2", "a"), Rule("3", "b")]
    assert Settings(BotSettings("bot"), rules=tuple(rules)).buckets == ("b", "a")
