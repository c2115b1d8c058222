"""A payload that matches a rule: a key for its globs, an event for its pattern, or an item for its conditions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.conditions import Condition, ValueTest
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings, Trigger
from chalicelib.rules import globs
from tests.support import bus_payloads
from tests.support.payloads import bus_event, s3_notification, s3_record
from tests.support.stream_records import record

_CREATED = {"put": "Put", "post": "Post", "copy": "Copy", "multipart": "CompleteMultipartUpload"}


def matching_payload(rule: Rule, settings: Settings) -> dict[str, Any]:
    """The payload of an event that a rule matches."""
    if rule.bus:
        named = bus_payloads.EXAMPLES.get(rule.bus.named.partition(",")[0])
        return named or {**bus_payloads.ORDER_REFUSED, **_matching_pattern(rule.bus.pattern)}
    if rule.item:
        return _item_change(rule)
    return _upload(rule, settings)


def key_for(patterns: Sequence[str]) -> str:
    """A key, or another text, that matches globs."""
    wanted = globs.including(patterns) or ["**"]
    candidates = (_instance(glob, word) for glob in wanted for word in ("report", "a1", "2026-03-02"))
    return next(key for key in candidates if globs.matches(patterns, key))


def _instance(glob: str, word: str) -> str:
    """A key that matches a glob, its wildcards replaced."""
    glob = glob + "**" if glob.endswith("/") else glob
    while (start := glob.find("{")) >= 0:
        end = glob.index("}", start)
        glob = glob[:start] + glob[start + 1 : end].split(",")[0] + glob[end + 1 :]
    while (start := glob.find("[")) >= 0:
        glob = glob[:start] + glob[start + 1] + glob[glob.index("]", start) + 1 :]
    return glob.replace("**/", "folder/").replace("**", word).replace("*", word).replace("?", "x")


def _upload(rule: Rule, settings: Settings) -> dict[str, Any]:
    """An upload as the bucket's trigger reports it."""
    size = rule.size.min_bytes or (1 if rule.size.max_bytes is None else min(1, rule.size.max_bytes))
    key, bucket = key_for(rule.key), settings.bucket(rule.bucket)
    created = rule.created[0].value if rule.created else "put"
    recorded = s3_record(key, name=f"ObjectCreated:{_CREATED[created]}", size=size)
    direct, eventbridge = s3_notification(recorded), bus_event(key, size=size)
    if rule.filter and rule.filter.uploader:
        recorded["userIdentity"]["principalId"] = eventbridge["detail"]["requester"] = key_for(rule.filter.uploader)
    direct, eventbridge = (json.loads(json.dumps(each).replace("acme-drops", rule.bucket)) for each in (direct, eventbridge))
    match bucket.trigger:
        case Trigger.EVENTBRIDGE:
            return dict(eventbridge)
        case Trigger.TOPIC:
            return {"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": bucket.topic, "Message": json.dumps(direct)}}]}
        case Trigger.QUEUE:
            queued = {"messageId": "1", "eventSource": "aws:sqs", "eventSourceARN": bucket.queue, "body": json.dumps(direct)}
            return {"Records": [queued]}
    return dict(direct)


def _matching_pattern(pattern: Any) -> Any:
    """An event that matches a pattern: each field has one of the values that the pattern allows."""
    if isinstance(pattern, Mapping):
        fields = {name: _matching_pattern(value) for name, value in pattern.items() if name != "$or"}
        return fields | (_matching_pattern(pattern["$or"][0]) if "$or" in pattern else {})
    test = pattern[0]
    return _matching_operator(test) if isinstance(test, Mapping) else test


def _matching_operator(test: Mapping[str, Any]) -> Any:
    ((operator, operand),) = test.items()
    if operator == "numeric":
        return operand[1] + {">": 1, "<": -1}.get(operand[0], 0)
    return {"prefix": operand, "suffix": operand, "equals-ignore-case": operand, "exists": "x", "anything-but": "another"}[
        operator
    ]


def _item_change(rule: Rule) -> dict[str, Any]:
    """A change of an item of the rule's table."""
    assert rule.item
    new, old = {"id": "17", **_fields(rule.item.new)}, {"id": "17", **_fields(rule.item.old)}
    old |= {name: "before" for name in (*rule.item.changed, *new) if name not in old}
    new |= {name: "after" for name in rule.item.changed if name not in new}
    did = rule.item.did[0]
    change = record(None if did in ("deleted", "expired") else new, None if did == "created" and not rule.item.changed else old)
    if did == "expired":
        change["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    payload: dict[str, Any] = json.loads(json.dumps({"Records": [change]}).replace("table/orders/", f"table/{rule.item.table}/"))
    return payload


def _fields(conditions: Sequence[Condition]) -> dict[str, Any]:
    """The fields of an item that meets conditions; a path makes nested tables."""
    fields: dict[str, Any] = {}
    for condition in conditions:
        value = _value(condition.tests[0])
        for name in reversed(condition.field.split(".")):
            value = {name: value}
        if condition.tests[0].operator != "missing":
            fields |= value
    return fields


def _value(test: ValueTest) -> Any:
    match test.operator:
        case ">" | ">=":
            return int(test.operand) + 1
        case "<" | "<=":
            return int(test.operand) - 1
        case "in":
            return test.operand[0]
        case "glob":
            return str(test.operand).replace("*", "x")
        case "is":
            return test.operand
    return "another"
