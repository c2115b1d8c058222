"""Set-up finds the streams of tables that rules are on, and says which of them do not say enough."""

from typing import Any

from chalicelib.platform.function_names import STREAM, stream_variable
from tests.support.builders import some_settings
from workbench.deployment.setup import Setup
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack, make_table
from workbench.paths import PROJECT

RULES = """
[[rules]]
name = "refused"
on = "item"
table = "orders"
changed = ["status"]
new = { status = "refused" }
notify = "email:asha"
"""


def streams(ministack: MiniStack) -> tuple[dict[str, str], list[str]]:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return Setup(PROJECT, "prod", ministack.client).streams(some_settings(RULES))


def switched(ministack: MiniStack, **stream: Any) -> str:
    make_table(ministack, "orders")
    client = ministack.client("dynamodb")
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    if stream:
        client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": True, **stream})
    return str(client.describe_table(TableName="orders")["Table"].get("LatestStreamArn"))


def test_stream_of_each_table_is_found(ministack: MiniStack) -> None:
    arn = switched(ministack, StreamViewType="NEW_AND_OLD_IMAGES")
    found, deaf = streams(ministack)
    assert (found[stream_variable("orders")], deaf) == (arn, [])
    assert ":table/dropnote-prod-ledger/stream/" in found[STREAM]


def test_table_that_is_not_there_is_said_and_its_stream_of_before_forgotten(ministack: MiniStack) -> None:
    found, (said,) = streams(ministack)
    assert said == "Nothing is heard of the table 'orders', which a rule is on: it is not there."
    assert found["DROPNOTE_STREAM_ORDERS"] == ""


def test_table_without_a_stream_is_said_with_the_command_that_switches_it_on(ministack: MiniStack) -> None:
    switched(ministack)
    found, (said,) = streams(ministack)
    how = "aws dynamodb update-table --table-name orders --stream-specification StreamEnabled=true,StreamViewType="
    assert f"it has no stream. {how}NEW_AND_OLD_IMAGES" in said
    assert found["DROPNOTE_STREAM_ORDERS"] == ""


def test_stream_that_tells_too_little_is_heard_and_said(ministack: MiniStack) -> None:
    arn = switched(ministack, StreamViewType="NEW_IMAGE")
    found, (said,) = streams(ministack)
    assert found["DROPNOTE_STREAM_ORDERS"] == arn
    assert said.startswith("The rule 'refused' never comes true: the stream of the table 'orders' tells NEW_IMAGE")
    assert "does not say changed." in said
