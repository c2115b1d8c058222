"""Further conditions of upload rules: what they mean, and that a fact is read only if the outcome depends on it."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from chalicelib.domain.event import Event, Upload
from chalicelib.domain.filters.upload import Fact, FactValue, Head, Previous, Tags, Unread
from chalicelib.domain.rule import Rule
from chalicelib.rules.index import Match, RuleIndex
from chalicelib.rules.upload_filter import Verdict, _all_of, _any_of, _none_of
from tests.support.builders import NOON, an_upload, some_settings

BY = "AWS:AROAEXAMPLE:nightly-export"
FACTS: dict[Fact, FactValue] = {
    Fact.HEAD: Head("application/PDF; charset=x", {"department": "finance", "pages": "12"}),
    Fact.TAGS: Tags({"class": "secret", "Team": "blue"}),
    Fact.PREVIOUS: Previous(NOON - timedelta(days=3)),
}


class Reader:
    """Knows the facts above, or others, and counts the readings."""

    def __init__(self, **facts: FactValue) -> None:
        self.facts = {**FACTS, **{Fact(name): value for name, value in facts.items()}}
        self.read: list[str] = []

    def __call__(self, upload: Upload, fact: Fact) -> FactValue:
        self.read.append(fact.value)
        return self.facts[fact]


def rules_with(*filters: str) -> tuple[Rule, ...]:
    text = "".join(
        f'[[rules]]\nname = "r{n}"\nbucket = "acme-drops"\nnotify = "email:ben"\n{text}\n' for n, text in enumerate(filters)
    )
    return some_settings(text).rules[1:]


def matches_of(reader: Reader | None, *filters: str, event: Event | None = None) -> list[Match]:
    return RuleIndex(rules_with(*filters)).match(event or an_upload(by=BY), reader)


@pytest.mark.parametrize(
    ("filter_", "is_match"),
    [
        ('content_type = "application/pdf"', True),
        ('content_type = ["image/*", "application/*"]', True),
        ('content_type = "image/*"', False),
        ('content_type = "!application/*"', False),
        ('metadata = { department = "finance", pages = "> 10" }', True),
        ('metadata = { Department = ["sales", "finance"] }', True),
        ('metadata = { department = "finance", pages = "> 12" }', False),
        ('metadata = { reviewed = "missing" }', True),
        ('metadata = { reviewed = "exists" }', False),
        ('tags = { class = "in public, secret" }', True),
        ('tags = { class = "!= secret" }', False),
        ('tags = { team = "blue" }', False),  # the keys of tags are case-sensitive
        ('tags = { class = "glob se*" }', True),
        ('uploader = "AWS:AROAEXAMPLE:*"', True),
        ('uploader = ["**", "!*:nightly-*"]', False),
        ('previous = "none"', False),
        ('previous = "exists"', True),
        ('previous = "> 2d"', True),
        ('previous = ["none", "> 7d"]', False),
        ('any = [{ content_type = "image/*" }, { key = "**/*.pdf", size = ">= 1 KB" }]', True),
        ('any = [{ content_type = "image/*" }, { key = "**/*.pdf", size = "> 1 GB" }]', False),
        ('not = { uploader = "*:nightly-*" }', False),
        ('not = [{ created = "copy" }, { tags = { class = "public" } }]', True),
        ('all = [{ any = [{ key = "in/**" }, { key = "a/**" }] }, { not = { key = "in/old/**" } }]', True),
    ],
)
def test_conditions(filter_: str, is_match: bool) -> None:
    assert [match.event.detail for match in matches_of(Reader(), filter_)] == [""] * is_match


@pytest.mark.parametrize(
    ("filter_", "read"),
    [
        ('key = "out/**"\ncontent_type = "application/pdf"', []),
        ('uploader = "AWS:other:*"\ncontent_type = "application/pdf"\ntags = { a = "b" }', []),
        ('any = [{ key = "in/**" }, { tags = { a = "b" } }]', []),
        ('any = [{ key = "out/**", tags = { a = "b" } }, { content_type = "application/pdf" }]', ["head"]),
        ('not = { key = "out/**", tags = { a = "b" } }', []),
        ('content_type = "image/png"\ntags = { class = "secret" }\nprevious = "exists"', ["head"]),
        ('metadata = { department = "finance" }\ncontent_type = "application/pdf"', ["head"]),
        ('tags = { class = "secret" }\nprevious = "exists"\ncontent_type = "application/*"', ["head", "tags", "previous"]),
    ],
)
def test_a_fact_is_read_only_if_the_outcome_depends_on_it(filter_: str, read: list[str]) -> None:
    reader = Reader()
    matches_of(reader, filter_)
    assert reader.read == read


def test_each_fact_is_read_once_however_many_rules_ask() -> None:
    reader = Reader()
    filters = ['content_type = "application/pdf"', 'metadata = { pages = "exists" }', 'tags = { class = "secret" }'] * 3
    assert len(matches_of(reader, *filters)) == 9
    assert reader.read == ["head", "tags"]


GONE, DENIED = Unread("the object was deleted since"), Unread("S3 denied access", denied=True)


@pytest.mark.parametrize(
    ("filter_", "facts", "detail", "denied"),
    [
        ('content_type = "image/*"', {"head": GONE}, "(content_type: the object was deleted since)", ""),
        ('tags = { a = "b" }', {"tags": DENIED}, "(tags: S3 denied access)", "tags: S3 denied access"),
        ('not = { tags = { class = "public" } }', {"tags": GONE}, "(tags: the object was deleted since)", ""),
        ('any = [{ tags = { a = "b" } }, { key = "out/**" }]', {"tags": GONE}, "(tags: the object was deleted since)", ""),
    ],
)
def test_rule_whose_conditions_cannot_be_checked_matches_and_says_so(
    filter_: str, facts: dict[str, FactValue], detail: str, denied: str
) -> None:
    (match,) = matches_of(Reader(**facts), filter_)
    assert match.event.detail == f"Not all conditions of the rule could be checked {detail}."
    assert match.denied == denied


def test_unreadable_fact_does_not_matter_if_another_condition_decides() -> None:
    assert matches_of(Reader(head=GONE), 'content_type = "image/*"\ntags = { class = "public" }') == []
    (match,) = matches_of(Reader(head=GONE), 'any = [{ content_type = "image/*" }, { tags = { class = "secret" } }]')
    assert (match.event.detail, match.denied) == ("", "")


def test_upload_of_an_unknown_uploader_or_size_matches_and_says_so() -> None:
    found_by_backfill = an_upload(size=None, by="")
    (match,) = matches_of(None, 'uploader = "AWS:x"\nnot = { size = "> 1 GB" }', event=found_by_backfill)
    assert match.event.detail == "Not all conditions of the rule could be checked (uploader unknown; size unknown)."


def test_marker_completes_its_batch_whatever_its_content_type() -> None:
    filter_ = 'complete = "_SUCCESS"\ncontent_type = "text/csv"'
    assert len(matches_of(Reader(), filter_, event=an_upload("in/_SUCCESS", 0))) == 1
    assert matches_of(Reader(), filter_, event=an_upload("in/a.csv")) == []


def test_values_that_others_chose_do_no_harm() -> None:
    hostile = {"department": "a" * 5_000, "pages": "1e999", "x": "\u202e\n"}
    filter_ = 'metadata = { department = "glob a*b", pages = "> 10", x = "y" }'
    assert matches_of(Reader(head=Head("x" * 5_000, hostile)), filter_) == []
    (text,) = [verdict.why for verdict in [_first_verdict('tags = { class = "x" }', tags=Tags({"class": "secret " * 100}))]]
    assert len(text) < 200


def _first_verdict(filter_: str, **facts: FactValue) -> Verdict:
    from chalicelib.rules.upload_filter import evaluate

    (rule,) = rules_with(filter_)
    assert rule.filter is not None
    return evaluate(rule.filter, an_upload(), {Fact(name): value for name, value in facts.items()})


def test_three_valued_logic_agrees_with_every_way_the_unknown_could_turn_out() -> None:
    """Unknown is right exactly if the unknown parts could still decide either way."""
    combine: dict[Any, Any] = {_all_of: all, _any_of: any, _none_of: lambda values: not any(values)}
    for ours, theirs in combine.items():
        for values in product((True, False, None), repeat=3):
            outcomes = {
                theirs(choice) for choice in product(*((value,) if value is not None else (True, False) for value in values))
            }
            expected = outcomes.pop() if len(outcomes) == 1 else None
            assert ours([Verdict(value, "why") for value in values]).value is expected, (ours, values)
