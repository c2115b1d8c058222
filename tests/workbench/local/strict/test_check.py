"""Requests that do not fit botocore's service model, and clients that refuse to send one that AWS would reject."""

from typing import Any

import pytest

from tests.workbench.local.strict.test_limits import KEY, QUERY, TABLE, X, found, simple, transaction
from workbench.local.ministack import local_client
from workbench.local.strict.check import LimitExceeded

# What botocore's model publishes and botocore does not check.
MODEL = [
    ("is 256; at most 255", "dynamodb CreateBackup", {"TableName": "ledger", "BackupName": "x" * 256}),
    ("does not match", "dynamodb CreateBackup", {"TableName": "ledger", "BackupName": "a b"}),
    (
        "is 101; at most 100",
        "dynamodb TransactWriteItems",
        transaction(*({"Put": {"Item": {"pk": {"N": str(n)}, "sk": X}}} for n in range(101))),
    ),
    ("is 65; at most 64", "iam GetRole", {"RoleName": "x" * 65}),
    ("is 65; at most 64", "events DescribeRule", {"Name": "x" * 65}),
    ("is 16; at most 15", "sesv2 SendEmail", simple(Headers=[{"Name": f"X-{n}", "Value": "a"} for n in range(16)])),
    ("is not one of the", "lambda Invoke", {"FunctionName": "f", "InvocationType": "Later"}),
    ("Invalid type for parameter Limit, type: <class 'str'>", "dynamodb Query", QUERY | {"Limit": "secret"}),
    ("Missing required parameter", "dynamodb PutItem", TABLE),
    ("Unknown parameter", "sqs GetQueueUrl", {"QueueName": "q", "Name": "q"}),
]


@pytest.mark.parametrize(("problem", "call", "parameters"), MODEL, ids=lambda value: value if isinstance(value, str) else "")
def test_request_that_does_not_fit_the_model_is_a_violation(problem: str, call: str, parameters: dict[str, Any]) -> None:
    (violation, *_) = found(call, parameters)
    assert problem in str(violation)
    assert "secret" not in str(violation)


def test_client_without_validation_raises_before_it_sends() -> None:
    client = local_client("http://127.0.0.1:9", "dynamodb", parameter_validation=False)
    with pytest.raises(
        LimitExceeded, match=r"dynamodb GetItem: Key\.sk has 1,025 bytes; at most 1,024 \(Amazon DynamoDB Developer"
    ):
        client.get_item(TableName="ledger", Key=KEY | {"sk": {"S": "x" * 1025}})
    with pytest.raises(LimitExceeded, match="Missing required parameter"):
        client.get_item(TableName="ledger")
