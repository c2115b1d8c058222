"""Recorded HTTP requests are read back into the parameters that botocore sent."""

import io
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import RecordedRequest
from workbench.local.strict.check import detach
from workbench.local.strict.http_requests import UnreadableRequest, check_requests, parse

ITEM = {
    "pk": {"S": "delivery#1"},
    "sk": {"S": "-"},
    "hours": {"SS": ["a", "b"]},
    "body": {"M": {"n": {"N": "1"}, "blob": {"B": b"\0"}}},
}
FILTER = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}}
ARN = "arn:aws:lambda:us-east-1:000000000000:function:any"
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "put_item", {"TableName": "ledger", "Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("ssm", "get_parameter", {"Name": "/dropnote/dev/token", "WithDecryption": True}),
    ("sqs", "receive_message", {"QueueUrl": "http://127.0.0.1:9/0/queue", "MaxNumberOfMessages": 10}),
    ("events", "put_rule", {"Name": "rule", "EventPattern": "{}", "State": "ENABLED"}),
    ("logs", "put_retention_policy", {"logGroupName": "/aws/lambda/any", "retentionInDays": 30}),
    ("sesv2", "send_email", {
        "FromEmailAddress": "a@example.com", "Destination": {"ToAddresses": ["b@example.com"]},
        "Content": {"Simple": {"Subject": {"Data": "é"}, "Body": {}, "Headers": [{"Name": "X-A", "Value": "1"}]}},
        "EmailTags": [{"Name": "dropnote-delivery", "Value": "1"}]}),
    ("sesv2", "get_account", {}),
    ("s3", "put_object", {"Bucket": "bucket", "Key": "in/a b+c&d.txt", "Body": b"<a/>", "ContentType": "text/plain"}),
    ("s3", "get_object", {"Bucket": "bucket", "Key": "in/a//b.txt", "Range": "bytes=0-9"}),
    ("s3", "list_objects_v2", {"Bucket": "bucket", "Prefix": "in/", "MaxKeys": 5}),
    ("s3", "get_bucket_notification_configuration", {"Bucket": "bucket"}),
    ("s3", "put_bucket_notification_configuration", {"Bucket": "bucket", "NotificationConfiguration": {
        "LambdaFunctionConfigurations": [
            {"Id": "one", "LambdaFunctionArn": ARN, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], "Filter": FILTER},
            {"LambdaFunctionArn": ARN, "Events": ["s3:ObjectRestore:*"]}], "EventBridgeConfiguration": {}}}),
    ("lambda", "invoke", {"FunctionName": "dropnote-dev-sweep", "InvocationType": "Event", "Payload": b"{}"}),
    ("lambda", "create_function", {"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {"ZipFile": b"zip"},
        "Environment": {"Variables": {"A": "1"}}, "Timeout": 60}),
    ("lambda", "list_event_source_mappings", {"FunctionName": "f", "MaxItems": 5}),
    ("lambda", "update_event_source_mapping", {"UUID": "u" * 36, "FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}),
    ("iam", "put_role_policy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": '{"Statement": []}'}),
    ("cloudformation", "create_change_set", {"StackName": "s", "ChangeSetName": "c", "TemplateBody": "{}",
        "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}, {"ParameterKey": "Tables", "UsePreviousValue": True}],
        "Capabilities": [], "Tags": [{"Key": "a", "Value": "b"}]}),
    ("sns", "set_topic_attributes", {"TopicArn": "arn", "AttributeName": "DisplayName", "AttributeValue": "x"}),
    ("sns", "create_topic", {"Name": "alarms", "Attributes": {"DisplayName": "a", "Policy": "{}"}}),
    ("cloudwatch", "get_metric_data", {"MetricDataQueries": [{"Id": "m1", "Expression": "1", "Period": 60}],
        "StartTime": 0, "EndTime": 60, "MaxDatapoints": 10}),
]  # fmt: skip


class Sent(Exception):
    """Holds the request, which is not sent."""

    def __init__(self, request: AWSPreparedRequest, **_: Any) -> None:
        self.request = request


def recorded(service: str, method: str, parameters: dict[str, Any]) -> RecordedRequest:
    """The HTTP request that botocore makes of a call."""

    def stop(request: AWSPreparedRequest, **_: Any) -> None:
        raise Sent(request)

    client = detach(local_client("http://127.0.0.1:9", service))
    client.meta.events.register("before-send.*.*", stop)
    with pytest.raises(Sent) as caught:
        getattr(client, method)(**parameters)
    request = caught.value.request
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    raw: Any = request.body.getvalue() if isinstance(request.body, io.BytesIO) else request.body or b""
    body = raw.encode() if isinstance(raw, str) else raw
    path = urlsplit(request.url)
    return RecordedRequest(
        request.method, path.path + (f"?{path.query}" if path.query else ""), "", body, reused=False, headers=headers
    )


@pytest.mark.parametrize(("service", "method", "parameters"), REQUESTS, ids=lambda value: value if isinstance(value, str) else "")
def test_request_is_read_back_by_every_protocol(service: str, method: str, parameters: dict[str, Any]) -> None:
    parsed = parse(recorded(service, method, parameters))
    assert parsed is not None
    assert (parsed[0], parsed[1].name) == (service, method.title().replace("_", ""))
    assert {name: value for name, value in parsed[2].items() if name in parameters} == parameters


def test_request_without_a_signature_is_not_for_aws() -> None:
    twilio = RecordedRequest(
        "POST", "/2010-04-01/Accounts/AC0/Messages.json", "", b"To=1", reused=False, headers={"Host": "127.0.0.1"}
    )
    assert parse(twilio) is None
    assert check_requests([twilio]) == ({}, [])


def test_request_that_no_model_describes_is_reported() -> None:
    unknown = replace(recorded("sesv2", "get_account", {}), path="/v3/unknown", operation="GET /v3/unknown")
    with pytest.raises(UnreadableRequest):
        parse(unknown)
    checked, (problem,) = check_requests([unknown])
    assert not checked
    assert problem.startswith("GET /v3/unknown: could not be read back: UnreadableRequest")


def test_proxied_request_beyond_a_limit_is_reported_once_with_its_sender(ministack: MiniStack) -> None:
    with Proxy(ministack.endpoint) as proxy:
        client = detach(
            local_client(proxy.url, "sqs", user_agent="dropnote/0.1.0 dropnote-dev-sweep", parameter_validation=False)
        )
        for _ in range(2):
            with pytest.raises(ClientError):
                client.get_queue_url(QueueName="x" * 81)
        checked, problems = check_requests(proxy.requests())
    assert checked == {"sqs GetQueueUrl": 2}
    assert problems == [
        "sqs GetQueueUrl: QueueName must be 1 to 80 letters, digits, underscores and hyphens "
        '(Amazon SQS Developer Guide, "Amazon SQS message quotas" and "standard queue quotas"), sent by dropnote-dev-sweep'
    ]
