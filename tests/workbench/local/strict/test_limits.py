"""Every row of the table of limits rejects a request that breaks it, and accepts the same request otherwise."""

import json
from typing import Any

import pytest
from botocore.session import Session

from workbench.local.strict.check import Violation, violations
from workbench.local.strict.limits import LIMITS

SESSION = Session()
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
TABLE = {"TableName": "ledger"}
MAIL = {
    "FromEmailAddress": "drops@example.com",
    "Destination": {"ToAddresses": ["asha@example.com"]},
    "Content": {"Simple": {"Subject": {"Data": "New file"}, "Body": {"Text": {"Data": "text"}}}},
}
ROLE = "arn:aws:iam::000000000000:role/any"
FUNCTION = {"FunctionName": "any", "Role": ROLE, "Code": {"ZipFile": b"zip"}}
URL = {"QueueUrl": "http://127.0.0.1/queue"}


def put(**item: Any) -> dict[str, Any]:
    return {**TABLE, "Item": KEY | item}


def update(expression: str, names: dict[str, str] | None = None, values: dict[str, Any] | None = None) -> dict[str, Any]:
    options = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return {
        **TABLE,
        "Key": KEY,
        "UpdateExpression": expression,
        **{name: value for name, value in options.items() if value is not None},
    }


def transaction(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": [{kind: {**TABLE, **content}} for action in actions for kind, content in action.items()]}


def nested(depth: int) -> dict[str, Any]:
    return {"M": {"a": nested(depth - 1)}} if depth else {"S": "x"}


def mail(**changes: Any) -> dict[str, Any]:
    return {**MAIL, **changes}


def simple(**changes: Any) -> dict[str, Any]:
    return mail(Content={"Simple": MAIL["Content"]["Simple"] | changes})  # type: ignore[index]


def notification(*entries: tuple[str, str, str]) -> dict[str, Any]:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:any"
    configurations = [
        {"LambdaFunctionArn": arn, "Events": [event], "Filter": {"Key": {"FilterRules": [{"Name": kind, "Value": value}]}}}
        for event, kind, value in entries
    ]
    return {"Bucket": "bucket", "NotificationConfiguration": {"LambdaFunctionConfigurations": configurations}}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"RoleName": "any", "PolicyName": "any", "PolicyDocument": json.dumps({"Statement": statements}, indent=4)}


def variables(**values: str) -> dict[str, Any]:
    return FUNCTION | {"Environment": {"Variables": values}}


CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"
X, ONE = {"S": "x"}, {":one": {"N": "1"}}
QUERY = {**TABLE, "KeyConditionExpression": "pk = :one", "ExpressionAttributeValues": ONE}
# Each: what the error says, the operation, a request at the limit, and one beyond it.
EXAMPLES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("bytes; at most 409,600", "dynamodb PutItem", put(body={"S": "x" * 409_590}), put(body={"S": "x" * 409_592})),
    ("empty set", "dynamodb PutItem", put(days={"SS": ["a"]}), put(days={"SS": []})),
    ("repeated element", "dynamodb PutItem", put(days={"SS": ["a", "b"]}), put(days={"SS": ["a", "a"]})),
    ("more than 38 digits", "dynamodb PutItem", put(n={"N": "-1." + "3" * 37}), put(n={"N": "1" * 39})),
    ("deeper than 32", "dynamodb PutItem", put(n=nested(31)), put(n=nested(32))),
    ("pk has 2,049 bytes", "dynamodb PutItem", put(pk={"S": "é" * 1024}), put(pk={"S": "é" * 1024 + "x"})),
    ("pk has 0 bytes", "dynamodb GetItem", {**TABLE, "Key": KEY}, {**TABLE, "Key": KEY | {"pk": {"S": ""}}}),
    ("due is of type BOOL", "dynamodb PutItem", put(due=X), put(due={"BOOL": True})),
    ("sk has 1,025 bytes", "dynamodb BatchGetItem", {"RequestItems": {"ledger": {"Keys": [KEY | {"sk": {"S": "x" * 1024}}]}}},
        {"RequestItems": {"ledger": {"Keys": [KEY | {"sk": {"S": "x" * 1025}}]}}}),
    ("bytes; at most 4,096", "dynamodb UpdateItem", update("SET n = :one" + " " * 4084, None, ONE),
        update("SET n = :one" + " " * 4085, None, ONE)),
    ("301 operators", "dynamodb UpdateItem", update("SET " + ",".join(f"a{n}=:one" for n in range(300)), None, ONE),
        update("SET " + ",".join(f"a{n}=:one" for n in range(301)), None, ONE)),
    ("101 operands", "dynamodb Query", QUERY | {"FilterExpression": f"n IN ({', '.join([':one'] * 100)})"},
        QUERY | {"FilterExpression": f"n IN ({', '.join([':one'] * 101)})"}),
    ("reserved word state", "dynamodb UpdateItem", update("SET #state = :one", {"#state": "state"}, ONE),
        update("SET state = :one", None, ONE)),
    ("uses #a without defining", "dynamodb UpdateItem", update("REMOVE #a", {"#a": "a"}), update("REMOVE #a")),
    ("defines :one in ExpressionAttributeValues without using", "dynamodb UpdateItem", update("SET n = :one", None, ONE),
        update("REMOVE n", None, ONE)),
    ("empty ExpressionAttributeNames", "dynamodb UpdateItem", update("REMOVE n"), update("REMOVE n", {})),
    ("part of the key", "dynamodb TransactWriteItems", transaction({"Update": {"Key": KEY, "UpdateExpression": "REMOVE n"}}),
        transaction({"Update": {"Key": KEY, "UpdateExpression": "REMOVE sk"}})),
    ("an attribute twice", "dynamodb UpdateItem", update("SET n = if_not_exists(n, :one), m = :one", None, ONE),
        update("SET n = :one REMOVE n", None, ONE)),
    ("filters by pk", "dynamodb Query", QUERY | {"FilterExpression": "n > :one"}, QUERY | {"FilterExpression": "pk > :one"}),
    ("two actions on one item", "dynamodb TransactWriteItems",
        transaction({"Put": {"Item": KEY | {"n": X}}}, {"Delete": {"Key": KEY | {"sk": X}}}),
        transaction({"Put": {"Item": KEY | {"n": X}}}, {"Delete": {"Key": KEY}})),
    ("bytes; at most 4,194,304", "dynamodb TransactWriteItems",
        transaction(*({"Put": {"Item": {"pk": X, "sk": {"N": str(n)}, "body": {"S": "x" * 400_000}}}} for n in range(10))),
        transaction(*({"Put": {"Item": {"pk": X, "sk": {"N": str(n)}, "body": {"S": "x" * 400_000}}}} for n in range(11)))),
    ("101 keys", "dynamodb BatchGetItem",
        {"RequestItems": {name: {"Keys": [{"pk": {"N": str(n)}, "sk": X} for n in range(50)]} for name in ("one", "two")}},
        {"RequestItems": {"one": {"Keys": [{"pk": {"N": str(n)}, "sk": X} for n in range(100)]}, "two": {"Keys": [KEY]}}}),
    ("the same key twice", "dynamodb BatchGetItem", {"RequestItems": {"one": {"Keys": [KEY]}, "two": {"Keys": [KEY]}}},
        {"RequestItems": {"one": {"Keys": [KEY, KEY]}}}),
    ("26 requests", "dynamodb BatchWriteItem", {"RequestItems": {"one": [{"DeleteRequest": {"Key": KEY}}] * 25}},
        {"RequestItems": {"one": [{"DeleteRequest": {"Key": KEY}}] * 13, "two": [{"DeleteRequest": {"Key": KEY}}] * 13}}),
    ("51 recipients", "sesv2 SendEmail", mail(Destination={"ToAddresses": ["a@example.com"] * 50}),
        mail(Destination={"ToAddresses": ["a@example.com"] * 50, "BccAddresses": ["b@example.com"]})),
    ("at most 41,943,040", "sesv2 SendEmail", simple(Body={"Text": {"Data": "x" * 41_943_000}}),
        simple(Body={"Text": {"Data": "x" * 41_943_040}})),
    ("ASCII letters", "sesv2 SendEmail", mail(EmailTags=[{"Name": "dropnote", "Value": "a-1_B"}]),
        mail(EmailTags=[{"Name": "dropnote", "Value": "a b"}])),
    ("ASCII letters", "sesv2 SendEmail", mail(EmailTags=[{"Name": "x" * 256, "Value": "a"}]),
        mail(EmailTags=[{"Name": "x" * 257, "Value": "a"}])),
    ("a tag twice", "sesv2 SendEmail", mail(EmailTags=[{"Name": n, "Value": "a"} for n in "ab"]),
        mail(EmailTags=[{"Name": n, "Value": "a"} for n in "aa"])),
    ("a header twice", "sesv2 SendEmail", simple(Headers=[{"Name": n, "Value": "a"} for n in ("X-A", "X-A", "Date")]),
        simple(Headers=[{"Name": n, "Value": "a"} for n in ("List-Id", "list-id")])),
    ("one line", "sesv2 SendEmail", simple(Subject={"Data": "one"}), simple(Subject={"Data": "one\ntwo"})),
    ("1 to 80", "sqs CreateQueue", {"QueueName": "x" * 80}, {"QueueName": "x" * 81}),
    ("1 to 80", "sqs GetQueueUrl", {"QueueName": "x.fifo"}, {"QueueName": "x.y"}),
    ("at most 1,048,576", "sqs SendMessage", URL | {"MessageBody": "x" * 1_048_576}, URL | {"MessageBody": "x" * 1_048_577}),
    ("characters that XML allows", "sqs SendMessage", URL | {"MessageBody": "\t"}, URL | {"MessageBody": "\0"}),
    ("11 elements", "sqs DeleteMessageBatch", URL | {"Entries": [{"Id": str(n), "ReceiptHandle": "r"} for n in range(10)]},
        URL | {"Entries": [{"Id": str(n), "ReceiptHandle": "r"} for n in range(11)]}),
    ("at most 1,048,576", "sqs SendMessageBatch", URL | {"Entries": [{"Id": n, "MessageBody": "x" * 500_000} for n in "ab"]},
        URL | {"Entries": [{"Id": n, "MessageBody": "x" * 600_000} for n in "ab"]}),
    ("is 11; allowed: 1 to 10", "sqs ReceiveMessage", URL | {"MaxNumberOfMessages": 10}, URL | {"MaxNumberOfMessages": 11}),
    ("is 21; allowed: 0 to 20", "sqs ReceiveMessage", URL | {"WaitTimeSeconds": 20}, URL | {"WaitTimeSeconds": 21}),
    ("0 to 43,200", "sqs ReceiveMessage", URL | {"VisibilityTimeout": 43_200}, URL | {"VisibilityTimeout": 43_201}),
    ("60 to 1,209,600", "sqs SetQueueAttributes", URL | {"Attributes": {"MessageRetentionPeriod": "1209600"}},
        URL | {"Attributes": {"MessageRetentionPeriod": "1209601"}}),
    ("0 to 43,200", "sqs CreateQueue", {"QueueName": "q", "Attributes": {"VisibilityTimeout": "360"}},
        {"QueueName": "q", "Attributes": {"VisibilityTimeout": "43201"}}),
    ("at most 1,024", "s3 PutObject", {"Bucket": "bucket", "Key": "é" * 512}, {"Bucket": "bucket", "Key": "é" * 512 + "x"}),
    ("allowed: 0 to 1,000", "s3 ListObjectVersions", {"Bucket": "b-1", "MaxKeys": 1000}, {"Bucket": "b-1", "MaxKeys": 1001}),
    ("lower-case", "s3 CreateBucket", {"Bucket": "my.bucket-1"}, {"Bucket": "MyBucket"}),
    ("two dots in a row", "s3 CreateBucket", {"Bucket": "x" * 63}, {"Bucket": "my..bucket"}),
    ("no IP address", "s3 HeadBucket", {"Bucket": "192.168.x.4"}, {"Bucket": "192.168.0.4"}),
    ("match the same object", "s3 PutBucketNotificationConfiguration",
        notification((CREATED, "prefix", "in/"), (CREATED, "prefix", "out/"), (REMOVED, "prefix", "in/")),
        notification((CREATED, "prefix", "in/"), ("s3:ObjectCreated:Put", "prefix", "in/a/"))),
    ("match the same object", "s3 PutBucketNotificationConfiguration",
        notification((CREATED, "suffix", ".pdf"), (CREATED, "suffix", ".csv")),
        notification((CREATED, "suffix", ".pdf"), (CREATED, "prefix", "in/"))),
    ("two prefixes or suffixes", "s3 PutBucketNotificationConfiguration", notification((CREATED, "prefix", "in/")),
        {"Bucket": "bucket", "NotificationConfiguration": {"QueueConfigurations": [{"QueueArn": "arn", "Events": [CREATED],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a"}, {"Name": "Prefix", "Value": "b"}]}}}]}}),
    ("prefix aws or ssm", "ssm PutParameter", {"Name": "/dropnote/dev/a.b", "Value": "x"}, {"Name": "/AWS/dev", "Value": "x"}),
    ("15 levels", "ssm PutParameter", {"Name": "/a" * 15, "Value": "x"}, {"Name": "/a" * 16, "Value": "x"}),
    ("at most 1,011", "ssm PutParameter", {"Name": "x" * 1011, "Value": "x"}, {"Name": "x" * 1012, "Value": "x"}),
    ("at most 4,096", "ssm PutParameter", {"Name": "/a", "Value": "x" * 4096}, {"Name": "/a", "Value": "x" * 4097}),
    ("1 to 64 letters", "lambda CreateFunction", FUNCTION | {"FunctionName": "x" * 64}, FUNCTION | {"FunctionName": "x" * 65}),
    ("at most 4,096", "lambda CreateFunction", variables(NAME="x" * 4092), variables(NAME="x" * 4093)),
    ("reserved variables: AWS_REGION", "lambda UpdateFunctionConfiguration",
        {"FunctionName": "f", "Environment": {"Variables": {"AWS_ENDPOINT_URL": "x"}}},
        {"FunctionName": "f", "Environment": {"Variables": {"AWS_REGION": "x"}}}),
    ("1 to 900", "lambda CreateFunction", FUNCTION | {"Timeout": 900}, FUNCTION | {"Timeout": 901}),
    ("128 to 10,240", "lambda CreateFunction", FUNCTION | {"MemorySize": 10_240}, FUNCTION | {"MemorySize": 10_241}),
    ("at most 52,428,800", "lambda UpdateFunctionCode", {"FunctionName": "f", "ZipFile": b"x" * 52_428_800},
        {"FunctionName": "f", "ZipFile": b"x" * 52_428_801}),
    ("at most 1,048,576", "lambda Invoke", {"FunctionName": "f", "Payload": b"x" * 1_048_577},
        {"FunctionName": "f", "Payload": b"x" * 1_048_577, "InvocationType": "Event"}),
    ("at most 10,240", "iam PutRolePolicy", policy({"Sid": "A", "Resource": "x" * 10_195}),
        policy({"Sid": "A", "Resource": "x" * 10_205})),
    ("Sid that is repeated", "iam PutRolePolicy", policy({"Sid": "A"}, {"Sid": "B"}), policy({"Sid": "A"}, {"Sid": "A"})),
    ("other characters", "iam PutRolePolicy", policy({"Sid": ""}), policy({"Sid": "a-b"})),
    ("not a JSON object", "iam CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": '{"Statement": {"Sid": "A"}}'},
        {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}),
    ("at most 2,048", "events PutRule", {"Name": "r", "EventPattern": "x" * 2048}, {"Name": "r", "EventPattern": "x" * 2049}),
    ("6 elements", "events PutTargets", {"Rule": "r", "Targets": [{"Id": str(n), "Arn": "arn"} for n in range(5)]},
        {"Rule": "r", "Targets": [{"Id": str(n), "Arn": "arn"} for n in range(6)]}),
    ("at most 1,048,576", "events PutEvents", {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "x" * 1_048_574}]},
        {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "x" * 1_048_575}]}),
    ("rate(1 minute)", "events PutRule", {"Name": "r", "ScheduleExpression": "rate(1 minute)"},
        {"Name": "r", "ScheduleExpression": "rate(1 minutes)"}),
    ("rate(1 minute)", "events PutRule", {"Name": "r", "ScheduleExpression": "cron(0 12 * * ? *)"},
        {"Name": "r", "ScheduleExpression": "cron(0 12 * * ?)"}),
    ("documented number of days", "logs PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": 30},
        {"logGroupName": "g", "retentionInDays": 31}),
    ("1 to 128 letters", "cloudformation DescribeStacks", {"StackName": "x" * 128}, {"StackName": "x_y"}),
    ("at most 51,200", "cloudformation CreateStack", {"StackName": "s", "TemplateBody": "x" * 51_200},
        {"StackName": "s", "TemplateBody": "x" * 51_201}),
    ("at most 4,096", "cloudformation CreateStack", {"StackName": "s", "Parameters": [{"ParameterValue": "x" * 4096}]},
        {"StackName": "s", "Parameters": [{"ParameterValue": "x" * 4097}]}),
    ("201 elements", "cloudformation CreateStack", {"StackName": "s", "Parameters": [{"ParameterKey": "k"}] * 200},
        {"StackName": "s", "Parameters": [{"ParameterKey": "k"}] * 201}),
    ("1 to 256 letters", "sns CreateTopic", {"Name": "x" * 256}, {"Name": "x.y"}),
    ("at most 262,144", "sns Publish", {"Message": "x" * 262_144}, {"Message": "x" * 262_145}),
    ("1 to 100 ASCII", "sns Publish", {"Message": "x", "Subject": "x" * 100}, {"Message": "x", "Subject": "é"}),
    ("501 elements", "cloudwatch GetMetricData",
        {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": f"m{n}"} for n in range(500)]},
        {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": f"m{n}"} for n in range(501)]}),
    ("lower-case letter", "cloudwatch GetMetricData", {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": "m1"}]},
        {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": "1m"}]}),
    ("two queries with one id", "cloudwatch GetMetricData",
        {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": "a"}, {"Id": "b"}]},
        {"StartTime": 0, "EndTime": 1, "MetricDataQueries": [{"Id": "a"}, {"Id": "a"}]}),
]  # fmt: skip


def found(call: str, parameters: dict[str, Any]) -> list[Violation]:
    service, operation = call.split()
    return violations(service, SESSION.get_service_model(service).operation_model(operation), parameters)


@pytest.mark.parametrize(
    ("problem", "call", "at_limit", "beyond"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_request_beyond_a_limit_is_a_violation(problem: str, call: str, at_limit: dict[str, Any], beyond: dict[str, Any]) -> None:
    assert found(call, at_limit) == []
    (violation, *_) = found(call, beyond)
    assert problem in str(violation)
    assert f"{violation.service} {violation.operation}" == call
    assert violation.source in {limit.source for limit in LIMITS}


def test_every_row_of_the_table_has_an_example() -> None:
    by_examples = {
        (violation.service, violation.parameter, violation.source)
        for _, call, _, beyond in EXAMPLES
        for violation in found(call, beyond)
    }
    without = [
        (limit.service, *limit.parameters)
        for limit in LIMITS
        if not any((limit.service, path.lstrip("$."), limit.source) in by_examples for path in limit.parameters)
    ]
    assert not without
