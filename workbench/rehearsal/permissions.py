"""Compares what a deployer sent to AWS with what its policy allows: MiniStack enforces the actions, not the resources.

MiniStack 1.5.33 cannot tell the resource of many requests, and knows neither iam:PassRole nor lambda:FunctionArn. Source of the
actions and ARNs: AWS Service Authorization Reference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from ..deployment.grants import APP, StageLocation
from ..local.proxy.server import RecordedRequest
from ..local.strict.http_requests import parse

_ACTIONS = {  # where the action's name is not the operation's
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
    "lambda:Invoke": "lambda:InvokeFunction",
}
# What `dropnote smoke --stage local` does not use of its policy, and why the policy has it.
NOT_REHEARSED = {
    **dict.fromkeys(
        (
            "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm",
            "cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard",
            "dynamodb:CreateTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeContributorInsights",
            "dynamodb:DescribeKinesisStreamingDestination", "dynamodb:DescribeTimeToLive", "dynamodb:GetResourcePolicy",
            "dynamodb:ListTagsOfResource", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable",
            "dynamodb:UpdateTimeToLive", "ses:CreateConfigurationSet", "ses:CreateConfigurationSetEventDestination",
            "ses:DeleteConfigurationSet", "ses:DeleteConfigurationSetEventDestination", "ses:DescribeConfigurationSet",
            "ses:GetConfigurationSet", "ses:UpdateConfigurationSetEventDestination",
            "sns:CreateTopic", "sns:DeleteTopic", "sns:GetDataProtectionPolicy",
            "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource", "sns:SetTopicAttributes",
            "sns:Subscribe", "sns:Unsubscribe", "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:ListQueueTags",
            "sqs:SetQueueAttributes", "ssm:ListTagsForResource",
        ),
        "CloudFormation calls it for the stack",
    ),
    "cloudformation:DeleteChangeSet": "set-up, if the changes are declined or there are none",
    "cloudwatch:GetMetricStatistics": "the doctor, if the dead-letter queue has events",
    "lambda:PutFunctionConcurrency": "chalice deploy, with reserved_concurrency",
    "lambda:TagResource": "chalice deploy: functions are created with tags, and tagged again with another version of Chalice",
    "lambda:UntagResource": "chalice deploy, if a tag is removed",
    **dict.fromkeys(
        (
            "apigateway:PUT", "lambda:ListTags", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
            "sns:GetSubscriptionAttributes",
        ),
        "chalice deploy of a stage that exists: `make rehearse`",
    ),
    "ses:ListEmailIdentities": "the doctor, in the sandbox",
}  # fmt: skip
_FREE = "sts:GetCallerIdentity"  # needs no permission
_WITHOUT_RESOURCE = {"lambda:CreateEventSourceMapping", "lambda:ListEventSourceMappings", "logs:DescribeLogGroups"}
_PASS_ROLE = {"lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"}  # need iam:PassRole for the role, if they name one


@dataclass(frozen=True)
class Use:
    """One use of an action on a resource. `context` has the condition keys that the request sets."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def uses(requests: Iterable[RecordedRequest], access_key: str, location: StageLocation) -> list[Use]:
    """What the requests signed with an access key need permission for."""
    ours = (request for request in requests if f"Credential={access_key}/" in request.headers.get("Authorization", ""))
    return [use for request in ours for use in _uses(request, location)]


def denied(used: Iterable[Use], policy: Mapping[str, Any]) -> list[str]:
    """The uses that a policy does not allow, each once."""
    return sorted({f"{use.action} on {use.resource}" for use in used if not _allows(policy, use)})


def unused(used: Iterable[Use], policy: Mapping[str, Any]) -> set[str]:
    """The actions of a policy that were not used."""
    granted = {action for statement in policy["Statement"] for action in statement["Action"]}
    return granted - {use.action for use in used}


def _allows(policy: Mapping[str, Any], use: Use) -> bool:
    return any(
        use.action in statement["Action"]
        and _fits(use.resource, statement["Resource"])
        and all(
            _fits(use.context.get(key, ""), values)
            for keys in statement.get("Condition", {}).values()
            for key, values in keys.items()
        )
        for statement in policy["Statement"]
    )


def _fits(text: str, patterns: str | list[str]) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in listed)  # IAM knows only * and ?


def _uses(request: RecordedRequest, location: StageLocation) -> Iterator[Use]:
    if "/apigateway/aws4_request" in request.headers["Authorization"]:  # its actions are HTTP methods
        path = urlsplit(request.path).path
        resource = path[path.index("/restapis") :]  # the local server has them below a path of its own
        yield Use(f"apigateway:{request.method}", f"arn:{location.partition}:apigateway:{location.region}::{resource}")
        return
    if (parsed := parse(request)) is None:
        return
    name, operation, parameters = parsed
    service = "ses" if name == "sesv2" else name
    action = _ACTIONS.get(f"{service}:{operation.name}", f"{service}:{operation.name}")
    if action == _FREE:
        return
    context = {"lambda:FunctionArn": _function(parameters, location)} if action.endswith("EventSourceMapping") else {}
    resources = ["*"] if action in _WITHOUT_RESOURCE else _RESOURCES[service](parameters, location)
    for resource in resources or ["*"]:
        yield Use(action, resource, context)
    if action in _PASS_ROLE and (role := parameters.get("Role")):
        yield Use("iam:PassRole", role, {"iam:PassedToService": "lambda.amazonaws.com"})


Parameters = Mapping[str, Any]


def _function(parameters: Parameters, location: StageLocation) -> str:
    """The function's ARN. A mapping that is named by its UUID has one too, which the request does not tell: any of the stage."""
    name = str(parameters.get("FunctionName") or f"{APP}-{location.stage}-")
    return name if name.startswith("arn:") else location.arn("lambda", f"function:{name}")


def _lambda(parameters: Parameters, location: StageLocation) -> list[str]:
    if uuid := parameters.get("UUID"):
        return [location.arn("lambda", f"event-source-mapping:{uuid}")]
    if tagged := parameters.get("Resource"):
        return [tagged]
    return [_function(parameters, location)] if "FunctionName" in parameters else []


def _iam(parameters: Parameters, location: StageLocation) -> list[str]:
    if name := parameters.get("RoleName"):
        return [f"arn:{location.partition}:iam::{location.account}:role/{name}"]
    return [parameters["PolicySourceArn"]] if "PolicySourceArn" in parameters else []


def _dynamodb(parameters: Parameters, location: StageLocation) -> list[str]:
    tables = parameters.get("RequestItems") or [parameters["TableName"]]
    index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
    return [location.arn("dynamodb", f"table/{table}{index}") for table in tables]


def _sqs(parameters: Parameters, location: StageLocation) -> list[str]:
    return [location.arn("sqs", str(parameters.get("QueueName") or parameters["QueueUrl"].rpartition("/")[2]))]


def _sns(parameters: Parameters, location: StageLocation) -> list[str]:
    return [parameters.get("TopicArn") or parameters["SubscriptionArn"].rpartition(":")[0]]


def _ssm(parameters: Parameters, location: StageLocation) -> list[str]:
    names = parameters.get("Names") or [parameters.get("Name") or parameters["Path"].rstrip("/")]
    return [location.arn("ssm", f"parameter{name}") for name in names]


def _s3(parameters: Parameters, location: StageLocation) -> list[str]:
    keys = [entry["Key"] for entry in parameters.get("Delete", {}).get("Objects", ())] or [parameters.get("Key", "")]
    return [f"arn:{location.partition}:s3:::{parameters['Bucket']}{f'/{key}' if key else ''}" for key in keys]


def _logs(parameters: Parameters, location: StageLocation) -> list[str]:
    return [location.arn("logs", f"log-group:{parameters['logGroupName']}:log-stream:")]  # as in AWS's denials


def _stack(parameters: Parameters, location: StageLocation) -> list[str]:
    return [location.arn("cloudformation", f"stack/{parameters['StackName']}/0")]


def _rule(parameters: Parameters, location: StageLocation) -> list[str]:
    name = parameters.get("Rule") or parameters.get("Name")
    return [location.arn("events", f"rule/{name}")] if name else []


def _ses(parameters: Parameters, location: StageLocation) -> list[str]:
    if name := parameters.get("ConfigurationSetName"):
        return [location.arn("ses", f"configuration-set/{name}")]
    return [location.arn("ses", f"identity/{parameters['EmailIdentity']}")] if "EmailIdentity" in parameters else []


_RESOURCES: dict[str, Callable[[Parameters, StageLocation], list[str]]] = {
    "cloudformation": _stack,
    "cloudwatch": lambda parameters, location: [],
    "dynamodb": _dynamodb,
    "events": _rule,
    "iam": _iam,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "ses": _ses,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
}
