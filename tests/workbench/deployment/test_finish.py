"""`dropnote finish` sets what Chalice cannot, and running it again changes nothing."""

import io
import json
import sys
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.platform.clock import utc_now
from chalicelib.platform.signing.keys import derived
from chalicelib.store.control import Control, TableStore
from tests.support.builders import some_settings
from workbench.deployment.finish import ITEMS, STREAM, _record_links, finish_functions, is_finished, stream_settings
from workbench.deployment.setup import SetupError
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, make_role, make_table, put_secrets
from workbench.paths import PROJECT

DEAD_LETTER_QUEUE = "arn:aws:sqs:us-east-1:000000000000:dropnote-local-dead-events"


def function(ministack: MiniStack, name: str) -> str:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as zipped:
        zipped.writestr("app.py", "def handler(event, context):\n    pass\n")
    role = "arn:aws:iam::000000000000:role/any"
    runtime = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    created: dict[str, Any] = ministack.client("lambda").create_function(
        FunctionName=f"dropnote-local-{name}",
        Runtime=runtime,
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": package.getvalue()},
    )
    return str(created["FunctionArn"])


def test_retries_dead_letter_queue_and_batch_responses_are_set(ministack: MiniStack) -> None:
    client, queues = ministack.client("lambda"), ministack.client("sqs")
    make_role(ministack)
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
    lines = [finish_functions(client, resources, DEAD_LETTER_QUEUE) for _ in range(2)]
    assert lines[0] == lines[1]
    config = client.get_function_event_invoke_config(FunctionName=arns["upload_acme"])
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 21600)
    assert config["DestinationConfig"]["OnFailure"]["Destination"] == DEAD_LETTER_QUEUE
    assert client.get_function_event_invoke_config(FunctionName=arns["sweep"])["MaximumRetryAttempts"] == 0
    assert client.get_event_source_mapping(UUID=mapping["UUID"])["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_ledger_stream_passes_only_counted_states(ministack: MiniStack) -> None:
    client = ministack.client("lambda")
    make_role(ministack)
    apply_stack(ministack, PROJECT / "resources.yaml", "local")
    stream = ministack.client("dynamodb").describe_table(TableName="dropnote-local-ledger")["Table"]["LatestStreamArn"]
    created = client.create_event_source_mapping(
        FunctionName=function(ministack, "count"), EventSourceArn=stream, StartingPosition="LATEST"
    )
    assert not is_finished(created)
    resource = {"resource_type": "dynamodb_event", "name": "count-dynamodb-event-source", "event_uuid": created["UUID"]}
    for _ in range(2):
        finish_functions(client, [resource], DEAD_LETTER_QUEUE)
    mapping = client.get_event_source_mapping(UUID=created["UUID"])
    assert is_finished(mapping)
    assert {name: mapping[name] for name in STREAM} == STREAM
    (pattern,) = mapping["FilterCriteria"]["Filters"]
    image = json.loads(pattern["Pattern"])["dynamodb"]["NewImage"]
    assert image == {
        "sk": {"S": ["delivery"]},
        "state": {"S": ["bundled", "dropped", "expired", "failed", "sent", "undelivered"]},
    }
    assert not is_finished({**mapping, "MaximumRetryAttempts": -1})


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


def test_table_stream_passes_only_changes_that_a_rule_matches(ministack: MiniStack) -> None:
    client, rules = ministack.client("lambda"), some_settings(RULES).rules
    make_role(ministack)
    make_table(ministack, "orders")
    stream = ministack.client("dynamodb").describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    created = client.create_event_source_mapping(
        FunctionName=function(ministack, "items_orders"), EventSourceArn=stream, StartingPosition="LATEST"
    )
    resource = {"resource_type": "dynamodb_event", "name": "items_orders-dynamodb-event-source", "event_uuid": created["UUID"]}
    assert not is_finished(created, rules)
    finish_functions(client, [resource], DEAD_LETTER_QUEUE, rules)
    mapping = client.get_event_source_mapping(UUID=created["UUID"])
    assert is_finished(mapping, rules)
    assert {name: mapping[name] for name in ITEMS} == ITEMS
    (pattern,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT", "REMOVE"]}
    assert not is_finished(mapping, some_settings(RULES.replace("created", "updated")).rules)


def test_stream_of_a_table_without_rules_passes_every_change() -> None:
    (pattern,) = stream_settings("arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/1", ())["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT", "MODIFY", "REMOVE"]}


class BusyLambda:
    """A Lambda client that rejects the first `rejections` updates of a mapping."""

    def __init__(self, rejections: int, code: str = "ResourceInUseException") -> None:
        self.rejections, self._code, self.updated = rejections, code, False

    def get_event_source_mapping(self, **_: Any) -> dict[str, str]:
        return {"EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/dropnote-local-ledger/stream/1"}

    def update_event_source_mapping(self, **settings: Any) -> None:
        if self.rejections:
            self.rejections -= 1
            raise ClientError({"Error": {"Code": self._code, "Message": "busy"}}, "UpdateEventSourceMapping")
        self.updated = True


STREAM_EVENT = [{"resource_type": "dynamodb_event", "name": "count-dynamodb-event-source", "event_uuid": "1"}]


def test_finish_retries_while_aws_is_busy_with_a_mapping() -> None:
    client = BusyLambda(3)
    finish_functions(client, STREAM_EVENT, DEAD_LETTER_QUEUE, pause_s=0)
    assert client.updated


def test_mapping_that_stays_busy_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.deployment.finish.MAPPING_S", 0)
    with pytest.raises(SetupError, match="still busy with count"):
        finish_functions(BusyLambda(10_000_000), STREAM_EVENT, DEAD_LETTER_QUEUE, pause_s=0)


def test_denied_change_of_a_mapping_is_not_retried() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        finish_functions(BusyLambda(1, "AccessDeniedException"), STREAM_EVENT, DEAD_LETTER_QUEUE, pause_s=0)


def test_links_in_mails_get_a_key_of_their_own_and_only_a_secure_url(ministack: MiniStack) -> None:
    apply_stack(ministack, PROJECT / "resources.yaml", "dev")
    variables = {"DROPNOTE_SECRETS": "/dropnote/dev/", "DROPNOTE_LEDGER": "dropnote-dev-ledger", "DROPNOTE_STAGE": "dev"}
    control = Control(TableStore(ministack.client("dynamodb"), variables["DROPNOTE_LEDGER"]), utc_now)
    with pytest.raises(SetupError, match="no secret /dropnote/dev/console-key"):
        _record_links(ministack.client, variables, "https://drops.example.com")
    put_secrets(ministack, "/dropnote/dev/", {"console-key": "k" * 64})
    assert "not https" in _record_links(ministack.client, variables, "http://drops.example.com")
    assert control.fresh().links is None
    for _ in range(2):
        assert "unsubscribe" in _record_links(ministack.client, variables, "https://drops.example.com")
    links = control.fresh().links
    assert links
    assert (links.url, links.keys) == ("https://drops.example.com", derived("k" * 64, "mail links"))
