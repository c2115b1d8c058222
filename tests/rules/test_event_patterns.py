"""Patterns of the bus: what they match, which EventBridge would refuse, and the one that is made of all rules'."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.platform.fields.table import FieldError
from chalicelib.rules.event_patterns import LONGEST, combined, matches, mismatch
from chalicelib.rules.pattern_check import check
from chalicelib.settings.bus_rules import EVENTS
from tests.support.bus_payloads import EXAMPLES, ORDER_REFUSED
from workbench.local.ministack import MiniStack

# which names want another name's example too
ALSO = {
    "instance state": {"instance running", "instance stopped"},
    "database event": {"database failover", "database failed"},
    "container stopped": {"container failed"},
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_name_wants_its_example_and_no_other(name: str) -> None:
    wanted = {other for other, payload in EXAMPLES.items() if matches(EVENTS[name], payload)}
    assert wanted == {name} | ALSO.get(name, set())


def test_each_name_is_what_eventbridge_takes() -> None:
    for pattern in EVENTS.values():
        check(pattern)


@pytest.mark.parametrize(
    ("asked", "value", "wanted"),
    [
        (["a", "b"], "b", True),
        (["a"], "b", False),
        (["a"], ["b", "a"], True),  # any element
        ([1], 1.0, True),
        ([1], True, False),
        ([True], 1, False),
        (["1"], 1, False),
        ([None], None, True),
        (["a"], {"a": 1}, False),
        ([{"prefix": "us-"}], "us-east-1", True),
        ([{"prefix": "us-"}], 5, False),
        ([{"prefix": {"equals-ignore-case": "US-"}}], "us-east-1", True),
        ([{"suffix": ".png"}], "a.png", True),
        ([{"suffix": {"equals-ignore-case": ".PNG"}}], "a.png", True),
        ([{"suffix": {"equals-ignore-case": ".PNG"}}], "a.gif", False),
        ([{"equals-ignore-case": "alice"}], "ALICE", True),
        ([{"anything-but": "a"}], "b", True),
        ([{"anything-but": "a"}], "a", False),
        ([{"anything-but": ["a", "b"]}], "b", False),
        ([{"anything-but": [1, 2]}], 3, True),
        ([{"anything-but": {"prefix": "us-"}}], "us-east-1", False),
        ([{"anything-but": {"suffix": [".png", ".gif"]}}], "a.gif", False),
        ([{"anything-but": {"equals-ignore-case": "init"}}], "INIT", False),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], "a/lib/b", False),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], "a/src/b", True),
        ([{"anything-but": "a"}], [], False),  # there is nothing that is something else
        ([{"numeric": [">", 100]}], 120, True),
        ([{"numeric": [">", 100]}], 100, False),
        ([{"numeric": [">", 100]}], "120", False),
        ([{"numeric": [">=", 0, "<", 5]}], 5, False),
        ([{"numeric": ["=", 1]}], True, False),
        ([{"exists": True}], "x", True),
        ([{"exists": True}], [], False),
        ([{"exists": False}], "x", False),
        ([{"cidr": "10.0.0.0/24"}], "10.0.0.7", True),
        ([{"cidr": "10.0.0.9/24"}], "10.0.1.7", False),
        ([{"cidr": "10.0.0.0/24"}], "somewhere", False),
        ([{"cidr": "2001:db8::/32"}], "10.0.0.7", False),
        ([{"wildcard": "dir/*.png"}], "dir/a/b.png", True),
        ([{"wildcard": "a*b*a"}], "aba", True),
        ([{"wildcard": "a*a"}], "a", False),
        ([{"wildcard": r"a\*"}], "a*", True),
        ([{"wildcard": r"a\*"}], "ab", False),
        (["a", {"numeric": ["<", 0]}], -1, True),
    ],
)
def test_operators(asked: list[Any], value: Any, wanted: bool) -> None:
    assert matches({"detail": {"x": asked}}, {"detail": {"x": value}}) is wanted


def test_missing_field_matches_only_where_it_is_to_be_missing() -> None:
    assert matches({"detail": {"x": [{"exists": False}]}}, {"detail": {}})
    assert matches({"detail": {"x": {"y": [{"exists": False}]}}}, {"detail": {}})
    assert not matches({"detail": {"x": [{"anything-but": "a"}]}}, {"detail": {}})


def test_fields_that_are_asked_for_together_are_of_one_element() -> None:
    pattern = {"detail": {"containers": {"name": ["web"], "exitCode": [1]}}}
    assert not matches(pattern, {"detail": {"containers": [{"name": "web", "exitCode": 0}, {"name": "log", "exitCode": 1}]}})
    assert matches(pattern, {"detail": {"containers": [{"name": "log"}, {"name": "web", "exitCode": 1}]}})


def test_or_goes_with_what_stands_beside_it() -> None:
    pattern = {"source": ["a"], "$or": [{"detail": {"x": [1]}}, {"detail": {"y": [2]}}]}
    assert matches(pattern, {"source": "a", "detail": {"y": 2}})
    assert not matches(pattern, {"source": "b", "detail": {"y": 2}})
    assert mismatch(pattern, {"source": "a", "detail": {"y": 3}}) == "$or"


def test_what_does_not_match_is_named_by_its_path() -> None:
    assert mismatch(EVENTS["instance stopped"], EXAMPLES["instance running"]) == "detail.state"
    assert mismatch(EVENTS["instance stopped"], EXAMPLES["alarm"]) == "source"


def test_wildcard_takes_no_longer_for_a_strangers_text() -> None:
    assert not matches({"x": [{"wildcard": "*a" * 50 + "*b"}]}, {"x": "a" * 100_000})


words = some.text("ab*", max_size=6)
values = some.one_of(words, some.integers(-2, 2), some.booleans())
fields = some.lists(values, max_size=3) | values
plain_words = some.text("ab", min_size=1, max_size=3)
wildcards = (
    some.lists(some.sampled_from(["a", "b", "*"]), min_size=1, max_size=6).map("".join).filter(lambda text: "**" not in text)
)
numbers = some.tuples(some.sampled_from(["<", "<=", "=", ">=", ">"]), some.integers(-2, 2)).map(list)
operators = some.one_of(
    some.builds(lambda text: {"prefix": text}, plain_words),
    some.builds(lambda text: {"suffix": {"equals-ignore-case": text}}, plain_words),
    some.builds(lambda text: {"equals-ignore-case": text}, plain_words),
    some.builds(lambda texts: {"anything-but": texts}, some.lists(plain_words, min_size=1, max_size=2)),
    some.builds(lambda text: {"wildcard": text}, wildcards),
    some.builds(lambda text: {"anything-but": {"wildcard": text}}, wildcards),
    some.builds(lambda operand: {"numeric": operand}, numbers),
    some.builds(lambda yes: {"exists": yes}, some.booleans()),
)
leaves = some.lists(some.one_of(plain_words, operators), min_size=1, max_size=3)
names = some.sampled_from(["x", "y", "z"])
objects = some.dictionaries(names, leaves, min_size=1, max_size=2)
patterns = some.one_of(
    objects,
    some.builds(lambda inner: {"in": inner}, objects),
    some.builds(lambda ways, beside: {"$or": ways, **beside}, some.lists(objects, min_size=2, max_size=3), some.just({})),
)
events = some.builds(lambda top, inner: {**top, "in": inner}, some.dictionaries(names, fields), some.dictionaries(names, fields))


@given(patterns, events)
def test_matches_what_another_matcher_does(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    from moto.events.models import EventPattern

    filled = {name: value for name, value in event.items() if value != []}  # moto says that an empty array exists
    filled["in"] = {name: value for name, value in event["in"].items() if value != []}
    moto: Any = EventPattern(None, pattern)
    assert matches(pattern, filled) is moto.matches_event(filled)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("aws.ec2", "it is not a table"),
        ({}, "nothing is asked for"),
        ({"source": "acme"}, 'source: "acme" is not a list; write ["acme"]'),
        ({"source": []}, "source: the list is empty"),
        ({"sources": ["acme"]}, "no event has a field 'sources'; did you mean 'source'?"),
        ({"detail_type": ["x"]}, "did you mean 'detail-type'?"),
        ({"$or": [{"sources": ["a"]}, {"source": ["b"]}]}, "no event has a field 'sources'"),
        ({"detail": {"x": {"prefix": "a"}}}, "detail.x: prefix stands outside of a list; write [{ prefix = … }]"),
        ({"detail": {"x": [{"prefx": "a"}]}}, "detail.x: there is no operator 'prefx'; did you mean 'prefix'?"),
        ({"detail": {"x": [{"prefix": 3}]}}, "detail.x: prefix takes one text"),
        ({"detail": {"x": [{"prefix": "a", "suffix": "b"}]}}, "detail.x: one operator a table"),
        ({"detail": {"x": [{"numeric": 3}]}}, "detail.x: numeric takes a list"),
        ({"detail": {"x": [{"numeric": ["=>", 3]}]}}, "numeric takes <, <=, =, >= and >"),
        ({"detail": {"x": [{"numeric": ["<", 3, ">", 1]}]}}, "numeric takes the lower end of a range first"),
        ({"detail": {"x": [{"exists": "yes"}]}}, "exists takes true or false"),
        ({"detail": {"x": [{"cidr": "10.0.0.1"}]}}, "cidr takes a block of addresses"),
        ({"detail": {"x": [{"anything-but": ["a", 1]}]}}, "anything-but takes texts, or numbers, and not both"),
        ({"detail": {"x": [{"anything-but": []}]}}, "anything-but names nothing"),
        ({"detail": {"x": [{"anything-but": {"prefix": ""}}]}}, "anything-but prefix is empty"),
        ({"detail": {"x": [{"anything-but": {"cidr": "a"}}]}}, "anything-but takes prefix, suffix"),
        ({"detail": {"x": [{"wildcard": "a**b"}]}}, "wildcard has two stars in a row"),
        ({"detail": {"x": [{"wildcard": "a\\b"}]}}, "wildcard has a backslash"),
        ({"detail": {"x": [["a"]]}}, "detail.x: a list in a list"),
        ({"detail.state": ["x"]}, "EventBridge takes a dot for a step"),
        ({"$or": {"source": ["a"]}}, "$or: it needs a list of two tables"),
        ({"$or": [{"source": ["a"]}]}, "$or: it needs a list of two tables"),
        ({"$or": [{"detail": {"prefix": ["a"]}}, {"source": ["b"]}]}, "cannot stand inside of $or"),
        ({"source": ["a"], "$or": [{"source": ["b"]}, {"account": ["c"]}]}, "source: it is asked for inside of $or and outside"),
        ({"source": ["a" * LONGEST]}, "it is longer than EventBridge takes"),
    ],
)
def test_what_eventbridge_would_refuse_or_never_match_is_told(pattern: Any, told: str) -> None:
    with pytest.raises(FieldError) as wrong:
        check(pattern)
    assert told in f"{wrong.value.problem}; {wrong.value.hint}"


def test_no_rule_has_no_pattern_and_one_rule_its_own() -> None:
    assert combined([]) is None
    assert combined([EVENTS["alarm"], EVENTS["alarm"]]) == EVENTS["alarm"]


def test_pattern_of_all_lets_through_what_each_wants_and_nothing_else() -> None:
    pattern = combined([EVENTS["alarm"], EVENTS["instance stopped"], {"source": ["acme.orders"]}])
    assert pattern is not None
    wanted = {name for name, payload in EXAMPLES.items() if matches(pattern, payload)}
    assert wanted == {"alarm", "instance stopped"}
    assert matches(pattern, ORDER_REFUSED)


@given(
    some.lists(
        some.sampled_from([*EVENTS.values(), {"source": [{"prefix": "acme."}]}, {"detail": {"amount": [120]}}]), min_size=1
    )
)
def test_pattern_of_any_rules_is_within_bounds_and_lets_through_what_they_want(chosen: list[Any]) -> None:
    pattern = combined(chosen)
    assert pattern is not None
    assert len(json.dumps(pattern)) <= LONGEST
    for payload in (*EXAMPLES.values(), ORDER_REFUSED):
        assert matches(pattern, payload) or not any(matches(each, payload) for each in chosen)


def test_patterns_that_are_too_long_together_become_wider_ones() -> None:
    long = [{"source": [f"acme.{each}"], "detail": {"x": ["y" * 100]}} for each in range(100)]
    assert combined(long) == {"source": [f"acme.{each}" for each in range(100)]}


def test_emulator_delivers_by_the_pattern_of_all_rules(ministack: MiniStack) -> None:
    events, sqs = ministack.client("events"), ministack.client("sqs")
    refused = {"source": ["acme.orders"], "detail": {"amount": [{"numeric": [">", 100]}]}}
    pattern = combined([EVENTS["alarm"], refused, {"source": ["acme.stock"]}])
    assert pattern is not None
    assert len(pattern["$or"]) == 3
    url = sqs.create_queue(QueueName="bus")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="bus", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="bus", Targets=[{"Id": "queue", "Arn": arn}])
    sent = [("acme.orders", {"amount": 120}), ("acme.orders", {"amount": 7}), ("acme.stock", {}), ("acme.else", {"amount": 120})]
    entries = [{"Source": source, "DetailType": "x", "Detail": json.dumps(detail)} for source, detail in sent]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0
    came = [json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]
    assert sorted((each["source"], each["detail"].get("amount")) for each in came) == [("acme.orders", 120), ("acme.stock", None)]


def test_emulator_agrees_on_each_name(ministack: MiniStack) -> None:
    events = ministack.client("events")
    together = combined([EVENTS["alarm"], EVENTS["container failed"], EVENTS["database failed"]])
    assert together is not None
    for name, pattern in {**EVENTS, "together": together}.items():
        for other, payload in EXAMPLES.items():
            answer = events.test_event_pattern(EventPattern=json.dumps(pattern), Event=json.dumps(payload))
            assert answer["Result"] is matches(pattern, payload), (name, other)
