"""Set-up finds the streams of tables with rules, and warns about missing or insufficient ones."""

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


def replace_stream(ministack: MiniStack, **stream: Any) -> str:
    """Create the table with this stream, or without one. The stream's ARN."""
    make_table(ministack, "orders")
    client = ministack.client("dynamodb")
    client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": False})
    if stream:
        client.update_table(TableName="orders", StreamSpecification={"StreamEnabled": True, **stream})
    return str(client.describe_table(TableName="orders")["Table"].get("LatestStreamArn"))


def test_stream_of_each_table_is_found(ministack: MiniStack) -> None:
    arn = replace_stream(ministack, StreamViewType="NEW_AND_OLD_IMAGES")
    arns, warnings = streams(ministack)
    assert (arns[stream_variable("orders")], warnings) == (arn, [])
    assert ":table/dropnote-prod-ledger/stream/" in arns[STREAM]


def test_missing_table_gives_a_warning_and_clears_its_old_stream(ministack: MiniStack) -> None:
    arns, (warning,) = streams(ministack)
    assert warning == "rules on the table 'orders' get no events: the table does not exist; create it"
    assert arns["DROPNOTE_STREAM_ORDERS"] == ""


def test_table_without_a_stream_gives_a_warning_with_the_command_to_enable_one(ministack: MiniStack) -> None:
    replace_stream(ministack)
    arns, (warning,) = streams(ministack)
    command = "aws dynamodb update-table --table-name orders --stream-specification StreamEnabled=true,StreamViewType="
    assert f"it has no stream; enable one: {command}NEW_AND_OLD_IMAGES" in warning
    assert arns["DROPNOTE_STREAM_ORDERS"] == ""


def test_insufficient_stream_is_used_and_gives_a_warning(ministack: MiniStack) -> None:
    arn = replace_stream(ministack, StreamViewType="NEW_IMAGE")
    arns, (warning,) = streams(ministack)
    assert arns["DROPNOTE_STREAM_ORDERS"] == arn
    assert warning.startswith("rule 'refused' never matches: the stream of the table 'orders' has the view NEW_IMAGE")
    assert "not enough for changed;" in warning
