"""Checks whether the streams are read: without the ledger's, no budget is enforced; without a table's, its rules get no events.

Source: AWS Lambda API reference, "EventSourceMappingConfiguration" (State, LastProcessingResult).
"""

from collections.abc import Iterator
from typing import Any

from chalicelib.health.rules import Problem, on_stage, redeploy_hint
from chalicelib.platform.function_names import function_name

from ..account import Account
from ..deployment.finish import source_service
from .deployed import functions, mappings

_NOT_COUNTED = "Sent messages are not counted and budgets are not enforced"
READING = ("Creating", "Enabling", "Enabled", "Updating")


def read(account: Account) -> Iterator[Problem]:
    """Check that the current streams of the ledger and of each table with rules are read."""
    stream_mappings = [
        mapping for mapping in mappings(account.client("lambda"), functions(account)) if source_service(mapping) == "dynamodb"
    ]
    yield from _check_table(account, "count", account.variables["DROPNOTE_LEDGER"], stream_mappings, _NOT_COUNTED)
    for table in account.settings.tables:
        effect = f"Rules on the table {table} get no events"
        yield from _check_table(account, function_name("items", table), table, stream_mappings, effect)


def _check_table(
    account: Account, function: str, table: str, stream_mappings: list[dict[str, Any]], effect: str
) -> Iterator[Problem]:
    own = [mapping for mapping in stream_mappings if mapping["FunctionArn"].endswith(f"-{function}")]
    redeploy = redeploy_hint(account.stage)
    if account.stage != "local":
        redeploy = f"{on_stage('setup', account.stage)}, then {redeploy}"
    if not own:
        yield Problem("counting", "", f"{effect}: no function reads its stream.", redeploy)
        return
    description = account.client("dynamodb").describe_table(TableName=table)["Table"]
    for mapping in own:
        if mapping["EventSourceArn"] != description.get("LatestStreamArn"):
            advice = f"aws lambda delete-event-source-mapping --uuid {mapping['UUID']}, {redeploy}"
            yield Problem("counting", "gone", f"{effect}: the function reads the stream of a table that was deleted.", advice)
        else:
            yield from _check_mapping(mapping, effect)


def _check_mapping(mapping: dict[str, Any], effect: str) -> Iterator[Problem]:
    state, result = str(mapping["State"]), str(mapping.get("LastProcessingResult", ""))
    if state not in READING:
        advice = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
        yield Problem("counting", "off", f"{effect}: the stream's trigger is {state.lower()}.", advice)
    elif result.startswith("PROBLEM"):
        advice = f"look for the reason: aws logs tail /aws/lambda/{mapping['FunctionArn'].rpartition(':')[2]} --since 3h"
        yield Problem("counting", "problem", f"{effect}: Lambda cannot process the stream ({result}).", advice)
