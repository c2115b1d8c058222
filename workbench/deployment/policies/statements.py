"""Statements of an IAM policy, and a policy that is as short as they allow."""

from collections.abc import Iterable, Mapping
from typing import Any

Statement = dict[str, Any]


def allow(sid: str, actions: str, *resources: str, condition: Mapping[str, Any] | None = None) -> Statement:
    """A statement. `actions` are words; one without a service has that of the word before."""
    service, full = "", []
    for word in actions.split():
        prefix, colon, _ = word.partition(":")
        service = prefix if colon else service
        full.append(word if colon else f"{service}:{word}")
    statement = {"Sid": sid, "Effect": "Allow", "Action": full, "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})


def document(statements: Iterable[Statement]) -> dict[str, Any]:
    """A policy with these permissions, in fewer statements, because the length of a managed policy is limited."""
    joined: list[Statement] = []
    for statement in statements:
        into = next((other for other in joined if _may_join(other, statement)), None)
        if into is None:
            joined.append(statement)
            continue
        into["Sid"] += statement["Sid"]
        for key in ("Action", "Resource"):
            into[key] += [new for new in statement[key] if new not in into[key]]
    return {"Version": "2012-10-17", "Statement": joined}


def _may_join(one: Statement, other: Statement) -> bool:
    """Whether two statements mean the same in one: their resources are the same, or of different services, so that the actions of
    one do not apply to the resources of the other.
    """
    if "Condition" in one or "Condition" in other:
        return False
    if one["Resource"] == other["Resource"]:
        return True
    return "*" not in one["Resource"] + other["Resource"] and not _services(one) & _services(other)


def _services(statement: Statement) -> set[str]:
    return {action.partition(":")[0] for action in statement["Action"]}
