"""What Chalice cannot set is set, and setting it again changes nothing."""

import io
import json
import sys
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.builders import some_settings
from workbench.deployment.finish import ITEMS, STREAM, finish_functions, is_finished, of_stream
from workbench.deployment.setup import SetupError
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, make_table
from workbench.paths import PROJECT

DEAD = "arn:aws:sqs:us-east-1:000000000000:dropnote-local-dead-events"


def function(ministack: MiniStack, name: str) -> str:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as zipped:
        zipped.writestr("app.py", "def handler(event, context):\n    pass\n")
    role = "arn:aws:iam::000000000000:role/any"
    runtime = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    made: dict[str, Any] = ministack.client("lambda").create_function(
        FunctionName=f"dropnote-local-{name}",
        Runtime=runtime,
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": package.getvalue()},
    )
    return str(made["FunctionArn"])


def test_retries_dead_events_and_batch_responses_are_set(ministack: MiniStack) -> None:
    client, queues = ministack.client("lambda"), ministack.client("sqs")
    ministack.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    arns = {name: function(ministack, name) for name in ("upload_acme", "upload_queue", "sweep", "test")}
    queues.create_queue(QueueName="dropnote-local-uploads")
    mapping = client.create_event_source_mapping(
        FunctionName=arns["upload_queue"], EventSourceArn="arn:aws:sqs:us-east-1:000000000000:dropnote-local-uploads"
    )
    resources = [
        *[{"resource_type": "lambda_function", "name": name, "lambda_arn": arn} for name, arn in arns.items()],
        {"resource_type": "sqs_event", "name": "upload_queue-sqs-event-source", "event_uuid": mapping["UUID"]},
        {"resource_type": "iam_role", "name": "any"},
    ]
    said = [finish_functions(client, resources, DEAD) for _ in range(2)]
    assert said[0] == said[1]
    told = client.get_function_event_invoke_config(FunctionName=arns["upload_acme"])
    assert (told["MaximumRetryAttempts"], told["MaximumEventAgeInSeconds"]) == (2, 21600)
    assert told["DestinationConfig"]["OnFailure"]["Destination"] == DEAD
    assert client.get_function_event_invoke_config(FunctionName=arns["sweep"])["MaximumRetryAttempts"] == 0
    assert client.get_event_source_mapping(UUID=mapping["UUID"])["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_stream_brings_only_what_ended_or_was_left_to_a_digest(ministack: MiniStack) -> None:
    client = ministack.client("lambda")
    ministack.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    apply_stack(ministack, PROJECT / "resources.yaml", "local")
    stream = ministack.client("dynamodb").describe_table(TableName="dropnote-local-ledger")["Table"]["LatestStreamArn"]
    made = client.create_event_source_mapping(
        FunctionName=function(ministack, "count"), EventSourceArn=stream, StartingPosition="LATEST"
    )
    assert not is_finished(made)
    resource = {"resource_type": "dynamodb_event", "name": "count-dynamodb-event-source", "event_uuid": made["UUID"]}
    for _ in range(2):
        finish_functions(client, [resource], DEAD)
    told = client.get_event_source_mapping(UUID=made["UUID"])
    assert is_finished(told)
    assert {name: told[name] for name in STREAM} == STREAM
    (pattern,) = told["FilterCriteria"]["Filters"]
    image = json.loads(pattern["Pattern"])["dynamodb"]["NewImage"]
    assert image == {
        "sk": {"S": ["delivery"]},
        "state": {"S": ["bundled", "dropped", "expired", "failed", "sent", "undelivered"]},
    }
    assert not is_finished({**told, "MaximumRetryAttempts": -1})


RULES = """
[[rules]]
name = "new"
on = "item"
table = "orders"
did = "created"
notify = "email:asha"
[[rules]]
name = "gone"
on = "item"
table = "orders"
did = "expired"
notify = "email:asha"
"""


def test_table_brings_only_what_some_rule_is_on(ministack: MiniStack) -> None:
    client, rules = ministack.client("lambda"), some_settings(RULES).rules
    ministack.client("iam").create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    make_table(ministack, "orders")
    stream = ministack.client("dynamodb").describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    made = client.create_event_source_mapping(
        FunctionName=function(ministack, "items_orders"), EventSourceArn=stream, StartingPosition="LATEST"
    )
    resource = {"resource_type": "dynamodb_event", "name": "items_orders-dynamodb-event-source", "event_uuid": made["UUID"]}
    assert not is_finished(made, rules)
    finish_functions(client, [resource], DEAD, rules)
    told = client.get_event_source_mapping(UUID=made["UUID"])
    assert is_finished(told, rules)
    assert {name: told[name] for name in ITEMS} == ITEMS
    (pattern,) = told["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT", "REMOVE"]}
    assert not is_finished(told, some_settings(RULES.replace("created", "updated")).rules)


def test_table_without_rules_brings_everything() -> None:
    (pattern,) = of_stream("arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/1", ())["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT", "MODIFY", "REMOVE"]}


class Busy:
    """A Lambda client of an account where AWS is still making a mapping, for so many looks."""

    def __init__(self, looks: int, code: str = "ResourceInUseException") -> None:
        self.looks, self._code, self.done = looks, code, False

    def get_event_source_mapping(self, **_: Any) -> dict[str, str]:
        return {"EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/dropnote-local-ledger/stream/1"}

    def update_event_source_mapping(self, **wanted: Any) -> None:
        if self.looks:
            self.looks -= 1
            raise ClientError({"Error": {"Code": self._code, "Message": "busy"}}, "UpdateEventSourceMapping")
        self.done = True


BOUND = [{"resource_type": "dynamodb_event", "name": "count-dynamodb-event-source", "event_uuid": "1"}]


def test_mapping_that_aws_is_still_making_is_waited_for() -> None:
    client = Busy(3)
    finish_functions(client, BOUND, DEAD, pause_s=0)
    assert client.done


def test_mapping_that_stays_busy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.deployment.finish.MAPPING_S", 0)
    with pytest.raises(SetupError, match="still busy with count"):
        finish_functions(Busy(10_000_000), BOUND, DEAD, pause_s=0)


def test_mapping_that_may_not_be_changed_is_not_waited_for() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        finish_functions(Busy(1, "AccessDeniedException"), BOUND, DEAD, pause_s=0)
