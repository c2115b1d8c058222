"""The table of AWS's documented limits that botocore's service models do not contain. Data only.

A parameter is the path to the values a limit is for: `$` stands for all parameters, `*` for every name or element. The source
names the page of AWS's documentation; default quotas that an account can raise count as limits.
"""

from dataclasses import dataclass
from typing import Any

from . import expressions
from .rules import (
    KB,
    MB,
    Rule,
    all_of,
    attribute_values,
    between,
    characters,
    count,
    item_size,
    key_value,
    matches,
    no_overlap,
    none_of,
    one_of,
    policy,
    size,
    total,
    unique,
    utf8_size,
)


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: the rule that the values at `parameters` of these operations must keep. No operations: every operation."""

    service: str
    operations: tuple[str, ...]
    parameters: tuple[str, ...]
    rule: Rule
    source: str


def _row(service: str, operations: str, parameters: str, rule: Rule, source: str) -> Limit:
    return Limit(service, tuple(operations.split()), tuple(parameters.split()), rule, source)


_PAGES = {
    "dynamodb": 'Amazon DynamoDB Developer Guide, "Constraints in Amazon DynamoDB"',
    "dynamodb api": "Amazon DynamoDB API Reference",
    "expressions": 'Amazon DynamoDB Developer Guide, "Expression attribute names" and "Reserved words"',
    "updates": 'Amazon DynamoDB Developer Guide, "Using update expressions"',
    "query": 'Amazon DynamoDB API Reference, "Query"',
    "ses": 'Amazon SES Developer Guide, "Service quotas in Amazon SES"',
    "tags": 'Amazon SES API v2 Reference, "MessageTag"',
    "ses headers": 'Amazon SES Developer Guide, "Amazon SES header fields"',
    "sqs": 'Amazon SQS Developer Guide, "Amazon SQS message quotas" and "standard queue quotas"',
    "receive": 'Amazon SQS API Reference, "ReceiveMessage"',
    "s3 keys": 'Amazon S3 User Guide, "Naming Amazon S3 objects"',
    "s3 lists": 'Amazon S3 API Reference, "ListObjectVersions" and "ListObjectsV2"',
    "s3 buckets": 'Amazon S3 User Guide, "General purpose bucket naming rules"',
    "s3 notifications": 'Amazon S3 User Guide, "Configuring event notifications using object key name filtering"',
    "ssm": 'AWS Systems Manager API Reference, "PutParameter"',
    "lambda": 'AWS Lambda Developer Guide, "Lambda quotas"',
    "lambda names": 'AWS Lambda API Reference, "CreateFunction"',
    "lambda variables": 'AWS Lambda Developer Guide, "Defined runtime environment variables"',
    "iam": 'IAM User Guide, "IAM and AWS STS quotas"',
    "events": 'Amazon EventBridge User Guide, "Amazon EventBridge quotas"',
    "schedules": 'Amazon EventBridge User Guide, "Rate expressions" and "Cron expressions"',
    "logs": 'Amazon CloudWatch Logs API Reference, "PutRetentionPolicy"',
    "cloudformation": 'AWS CloudFormation User Guide, "Understand CloudFormation quotas"',
    "stacks": 'AWS CloudFormation API Reference, "CreateStack"',
    "sns": 'Amazon SNS API Reference, "CreateTopic" and "Publish"',
    "metrics": 'Amazon CloudWatch API Reference, "GetMetricData" and "MetricDataQuery"',
}

_WRITES = "Item TransactItems.*.Put.Item RequestItems.*.*.PutRequest.Item"
_KEYS = f"Key TransactItems.*.*.Key RequestItems.*.*.DeleteRequest.Key RequestItems.*.Keys.* {_WRITES}"
_WITH_EXPRESSIONS = "PutItem GetItem UpdateItem DeleteItem Query Scan BatchGetItem TransactGetItems TransactWriteItems"
_SCOPES = "$ TransactItems.*.* RequestItems.*"
_EXPRESSIONS = " ".join(
    f"{scope}.{kind}Expression"
    for scope in _SCOPES.split()
    for kind in ("Condition", "Filter", "KeyCondition", "Projection", "Update")
)


def _at(*names: str) -> str:
    """These attributes in every item and key that a request writes or names."""
    return " ".join(f"{path}.{name}" for path in _KEYS.split() for name in names)


_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_RESERVED_VARIABLES = """_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME
    AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API
    LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR""".split()
_SINGLE_HEADERS = """accept-language archived-at auto-submitted bounces-to comments content-description content-disposition
    content-id content-language content-length content-location content-md5 content-transfer-encoding content-type date
    delivered-to dkim-signature errors-to from importance in-reply-to keywords list-archive list-help list-id list-owner
    list-post list-subscribe list-unsubscribe list-unsubscribe-post message-id mime-version organization precedence priority
    references reply-to return-path sender sensitivity subject thread-index thread-topic user-agent""".split()
_SCHEDULE = r"rate\((1 (minute|hour|day)|(?!0|1 )[0-9]+ (minutes|hours|days))\)|cron\((\S+ ){5}\S+\)|"
_XML_TEXT = r"[\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*"


def _sum(value: Any) -> int:
    return sum(map(utf8_size, value))


def _pairs(variables: dict[str, str]) -> int:
    return sum(utf8_size(name) + utf8_size(value) for name, value in variables.items())


def _strings(value: Any) -> int:
    """All text in a nested value."""
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return utf8_size(value) if isinstance(value, (str, bytes)) else sum(map(_strings, nested))


def _single_headers(headers: list[dict[str, str]]) -> list[str]:
    names = (header["Name"].lower() for header in headers)
    return [name for name in names if name in _SINGLE_HEADERS]


def _batch_keys(tables: dict[str, Any]) -> list[Any]:
    return [(table, key) for table, keys in tables.items() for key in keys["Keys"]]


def _batch_size(tables: dict[str, Any]) -> int:
    return sum(map(len, tables.values()))


def _payload(parameters: dict[str, Any]) -> str:
    return size(MB if parameters.get("InvocationType") == "Event" else 6 * MB)(parameters.get("Payload", b""))


LIMITS = tuple(
    _row(service, operations, parameters, rule, _PAGES[page])
    for service, operations, parameters, rule, page in (
        ("dynamodb", "", _WRITES, total(400 * KB, measure=item_size, unit="bytes"), "dynamodb"),
        ("dynamodb", "", _WRITES, attribute_values, "dynamodb"),
        ("dynamodb", "", _at("pk", "due", "day"), key_value(2048), "dynamodb"),
        ("dynamodb", "", _at("sk"), key_value(1024), "dynamodb"),
        ("dynamodb", "", _EXPRESSIONS, size(1, 4 * KB), "dynamodb"),
        ("dynamodb", "", _EXPRESSIONS, expressions.operators, "dynamodb"),
        ("dynamodb", "", _EXPRESSIONS, expressions.unescaped_words, "expressions"),
        ("dynamodb", _WITH_EXPRESSIONS, _SCOPES, expressions.names_and_values, "expressions"),
        ("dynamodb", _WITH_EXPRESSIONS, _SCOPES, expressions.updated_attributes, "updates"),
        ("dynamodb", "Query", "$", expressions.filtered_attributes, "query"),
        ("dynamodb", "TransactWriteItems", "TransactItems", unique(expressions.actions, "two actions on one item"),
            "dynamodb api"),
        ("dynamodb", "TransactWriteItems", "TransactItems",
            total(4 * MB, measure=expressions.transaction_size, unit="bytes"), "dynamodb"),
        ("dynamodb", "BatchGetItem", "RequestItems", total(100, measure=lambda v: len(_batch_keys(v)), unit="keys"),
            "dynamodb api"),
        ("dynamodb", "BatchGetItem", "RequestItems", unique(_batch_keys, "the same key twice"), "dynamodb api"),
        ("dynamodb", "BatchWriteItem", "RequestItems",
            total(25, measure=_batch_size, unit="requests"), "dynamodb api"),
        ("sesv2", "SendEmail", "Destination",
            total(50, measure=lambda v: sum(map(len, v.values())), unit="recipients"), "ses"),
        ("sesv2", "SendEmail", "Content", total(40 * MB, measure=_strings, unit="bytes"), "ses"),
        ("sesv2", "SendEmail", "EmailTags.*.Name EmailTags.*.Value",
            matches(r"[A-Za-z0-9_-]{1,256}", "1 to 256 ASCII letters, digits, underscores and dashes"), "tags"),
        ("sesv2", "SendEmail", "EmailTags", unique(lambda tags: (tag["Name"] for tag in tags), "a tag twice"), "tags"),
        ("sesv2", "SendEmail", "Content.Simple.Headers",
            unique(_single_headers, "a header twice"), "ses headers"),
        ("sesv2", "SendEmail", "Content.Simple.Subject.Data FromEmailAddress Destination.*.*",
            matches(r"[^\r\n]+", "one line that is not empty"), "ses headers"),
        ("sqs", "CreateQueue GetQueueUrl", "QueueName",
            matches(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?", "1 to 80 letters, digits, underscores and hyphens"), "sqs"),
        ("sqs", "SendMessage", "MessageBody", size(1, MB), "sqs"),
        ("sqs", "SendMessage SendMessageBatch", "MessageBody Entries.*.MessageBody",
            matches(_XML_TEXT, "of the characters that XML allows"), "sqs"),
        ("sqs", "SendMessageBatch DeleteMessageBatch", "Entries", count(10), "sqs"),
        ("sqs", "SendMessageBatch", "Entries", total(MB, measure=_strings, unit="bytes"), "sqs"),
        ("sqs", "ReceiveMessage", "MaxNumberOfMessages", between(1, 10), "receive"),
        ("sqs", "ReceiveMessage", "WaitTimeSeconds", between(0, 20), "receive"),
        ("sqs", "ReceiveMessage ChangeMessageVisibility", "VisibilityTimeout", between(0, 43_200), "receive"),
        ("sqs", "CreateQueue SetQueueAttributes", "Attributes.MessageRetentionPeriod", between(60, 1_209_600), "sqs"),
        ("sqs", "CreateQueue SetQueueAttributes", "Attributes.VisibilityTimeout", between(0, 43_200), "sqs"),
        ("s3", "", "Key CopySource.Key Delete.Objects.*.Key", size(1, 1024), "s3 keys"),
        ("s3", "", "Bucket", all_of(
            matches(r"arn:.*|(?=.{3,63}$)[a-z0-9][a-z0-9.-]*[a-z0-9]", "3 to 63 lower-case letters, digits, dots and hyphens"),
            matches(r"(?!.*\.\.|xn--|([0-9]+\.){3}[0-9]+$).*", "without two dots in a row, and no IP address")), "s3 buckets"),
        ("s3", "ListObjectVersions ListObjectsV2", "MaxKeys", between(0, 1000), "s3 lists"),
        ("s3", "PutBucketNotificationConfiguration", "NotificationConfiguration", no_overlap, "s3 notifications"),
        ("s3", "PutBucketNotificationConfiguration", "NotificationConfiguration.*.*.Filter.Key.FilterRules",
            unique(lambda rules: (rule["Name"].lower() for rule in rules), "two prefixes or suffixes"), "s3 notifications"),
        ("ssm", "PutParameter", "Name", all_of(
            matches(r"(?!/?(?i:aws|ssm))[A-Za-z0-9_.\-/]+", "letters, digits and _.-/ without the prefix aws or ssm"),
            matches(r"/?[^/]+(/[^/]+){0,14}", "at most 15 levels"), characters(1011)), "ssm"),
        ("ssm", "PutParameter", "Value", size(1, 4 * KB), "ssm"),
        ("lambda", "", "FunctionName", matches(r"arn:.*|[A-Za-z0-9_-]{1,64}", "an ARN, or 1 to 64 letters, digits, - and _"),
            "lambda names"),
        ("lambda", "CreateFunction UpdateFunctionConfiguration", "Environment.Variables",
            total(4 * KB, measure=_pairs, unit="bytes"), "lambda"),
        ("lambda", "CreateFunction UpdateFunctionConfiguration", "Environment.Variables",
            none_of(_RESERVED_VARIABLES, "reserved variables:"), "lambda variables"),
        ("lambda", "CreateFunction UpdateFunctionConfiguration", "Timeout", between(1, 900), "lambda"),
        ("lambda", "CreateFunction UpdateFunctionConfiguration", "MemorySize", between(128, 10_240), "lambda"),
        ("lambda", "CreateFunction UpdateFunctionCode", "Code.ZipFile ZipFile", size(50 * MB), "lambda"),
        ("lambda", "Invoke", "$", _payload, "lambda"),
        ("iam", "PutRolePolicy", "PolicyDocument", policy(10_240), "iam"),
        ("iam", "CreateRole UpdateAssumeRolePolicy", "AssumeRolePolicyDocument PolicyDocument", policy(2048), "iam"),
        ("events", "PutRule", "EventPattern", characters(2048), "events"),
        ("events", "PutTargets", "Targets", count(5), "events"),
        ("events", "PutEvents", "Entries", total(MB, measure=_strings, unit="bytes"), "events"),
        ("events", "PutRule", "ScheduleExpression", matches(_SCHEDULE, "rate(1 minute), rate(5 minutes) or cron(six fields)"),
            "schedules"),
        ("logs", "PutRetentionPolicy", "retentionInDays", one_of(_RETENTION_DAYS, "a documented number of days"), "logs"),
        ("cloudformation", "", "StackName", matches(r"arn:.*|[A-Za-z][A-Za-z0-9-]{0,127}",
            "1 to 128 letters, digits and hyphens, the first one a letter"), "stacks"),
        ("cloudformation", "", "TemplateBody", size(1, 51_200), "cloudformation"),
        ("cloudformation", "", "Parameters.*.ParameterValue", size(4 * KB), "cloudformation"),
        ("cloudformation", "", "Parameters", count(200), "cloudformation"),
        ("sns", "CreateTopic", "Name", matches(r"[A-Za-z0-9_-]{1,256}", "1 to 256 letters, digits, underscores and hyphens"),
            "sns"),
        ("sns", "Publish", "Message", size(1, 256 * KB), "sns"),
        ("sns", "Publish", "Subject", matches(r"[!-~][ -~]{0,99}", "one line of 1 to 100 ASCII characters"), "sns"),
        ("cloudwatch", "GetMetricData", "MetricDataQueries", count(500), "metrics"),
        ("cloudwatch", "GetMetricData", "MetricDataQueries.*.Id",
            matches(r"[a-z][a-zA-Z0-9_]*", "a lower-case letter, then letters, digits and underscores"), "metrics"),
        ("cloudwatch", "GetMetricData", "MetricDataQueries",
            unique(lambda queries: (query["Id"] for query in queries), "two queries with one id"), "metrics"),
    )
)  # fmt: skip
