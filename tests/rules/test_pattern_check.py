"""Patterns that EventBridge would reject, or accept and never match, are rejected with the place and a fix."""

from typing import Any

import pytest

from chalicelib.platform.fields.table import FieldError
from chalicelib.rules.event_patterns import MAX_PATTERN_LENGTH
from chalicelib.rules.pattern_check import check


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("aws.ec2", "must be a table"),
        ({}, "empty table"),
        ({"detail": {}}, "detail: empty table"),
        ({"source": "acme"}, 'source: "acme" is not a list; write ["acme"]'),
        ({"source": []}, "source: empty list: nothing would match"),
        ({"sources": ["acme"]}, "unknown field 'sources'; did you mean 'source'?"),
        ({"detail_type": ["x"]}, "did you mean 'detail-type'?"),
        ({"amount": [1]}, "unknown field 'amount'; did you mean 'account'?"),
        ({"zzz": [1]}, "unknown field 'zzz'; use one of: account, detail"),
        ({"$or": [{"sources": ["a"]}, {"source": ["b"]}]}, "unknown field 'sources'"),
        ({"detail": {"x": {"prefix": "a"}}}, "detail.x: prefix must be in a list; write [{ prefix = … }]"),
        ({"detail": {"x": [{"prefx": "a"}]}}, "detail.x: unknown operator 'prefx'; did you mean 'prefix'?"),
        ({"detail": {"x": [{"prefix": 3}]}}, "detail.x: prefix must be one text"),
        ({"detail": {"x": [{"prefix": {"suffix": "a"}}]}}, "detail.x: prefix must be a text or equals-ignore-case"),
        ({"detail": {"x": [{"prefix": "a", "suffix": "b"}]}}, "detail.x: more than one operator in a table"),
        ({"detail": {"x": [{"equals-ignore-case": ["a"]}]}}, "equals-ignore-case must be one text"),
        ({"detail": {"x": [{"numeric": 3}]}}, "detail.x: numeric must be a list"),
        ({"detail": {"x": [{"numeric": ["=>", 3]}]}}, "numeric must use <, <=, =, >= or >"),
        ({"detail": {"x": [{"numeric": ["<", 3, ">", 1]}]}}, "numeric must have the lower end of the range first"),
        ({"detail": {"x": [{"exists": "yes"}]}}, "exists must be true or false"),
        ({"detail": {"x": [{"cidr": "10.0.0.1"}]}}, "cidr must be an address block"),
        ({"detail": {"x": [{"anything-but": ["a", 1]}]}}, "anything-but must be all texts or all numbers"),
        ({"detail": {"x": [{"anything-but": []}]}}, "anything-but is empty"),
        ({"detail": {"x": [{"anything-but": {"prefix": ""}}]}}, "anything-but prefix is empty"),
        ({"detail": {"x": [{"anything-but": {"cidr": "a"}}]}}, "anything-but allows one operator; use one of: prefix, suffix"),
        ({"detail": {"x": [{"wildcard": "a**b"}]}}, "wildcard has two asterisks in a row"),
        ({"detail": {"x": [{"wildcard": "a\\b"}]}}, "wildcard has a backslash before another character"),
        ({"detail": {"x": [["a"]]}}, "detail.x: a list inside a list"),
        ({"detail.state": ["x"]}, "EventBridge reads a dot as a path"),
        ({"$or": {"source": ["a"]}}, "$or: must be a list of at least two tables"),
        ({"$or": [{"source": ["a"]}]}, "$or: must be a list of at least two tables"),
        ({"$or": [{"detail": {"prefix": ["a"]}}, {"source": ["b"]}]}, "detail.prefix: not allowed inside $or"),
        ({"source": ["a"], "$or": [{"source": ["b"]}, {"account": ["c"]}]}, "source: used both inside and outside $or"),
        ({"source": ["a" * MAX_PATTERN_LENGTH]}, "larger than EventBridge allows; at most 2,048 characters"),
    ],
)
def test_pattern_that_is_rejected_or_never_matches_has_an_error(pattern: Any, error: str) -> None:
    with pytest.raises(FieldError) as caught:
        check(pattern)
    assert error in f"{caught.value.problem}; {caught.value.hint}"


def test_error_has_the_keys_that_lead_to_it() -> None:
    with pytest.raises(FieldError) as caught:
        check({"source": ["a"], "$or": [{"detail": {"x": [1]}}, {"detail": {"y": []}}]})
    assert caught.value.at == ("$or", 1, "detail", "y")
