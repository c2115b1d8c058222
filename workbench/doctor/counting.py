"""Whether what is sent gets counted: without that no budget is held.

Source: AWS Lambda API reference, "EventSourceMappingConfiguration" (State, LastProcessingResult).
"""

from collections.abc import Iterator
from typing import Any

from chalicelib.health.rules import Problem, on_stage, redeploy_hint
from chalicelib.platform.function_names import function_name

from ..account import Account
from ..deployment.finish import source_of
from .deployed import functions, mappings

_COUNTING = "What is sent is not counted, and no budget is held"
_READING = ("Creating", "Enabling", "Enabled", "Updating")


def stream(account: Account) -> Iterator[Problem]:
    """Is the ledger's stream read, and is it the one of the table that is there? And the streams of tables that rules are on?"""
    there = [each for each in mappings(account.client("lambda"), functions(account)) if source_of(each) == "dynamodb"]
    yield from _of_table(account, "count", account.variables["DROPNOTE_LEDGER"], there, _COUNTING)
    for table in account.settings.tables:
        lost = f"Nothing is heard of changes in the table {table}"
        yield from _of_table(account, function_name("items", table), table, there, lost)


def _of_table(account: Account, function: str, table: str, there: list[dict[str, Any]], lost: str) -> Iterator[Problem]:
    found = [each for each in there if each["FunctionArn"].endswith(f"-{function}")]
    again = redeploy_hint(account.stage)
    if account.stage != "local":
        again = f"{on_stage('setup', account.stage)}, then {again}"
    if not found:
        yield Problem("counting", "", f"{lost}: nothing listens to its stream.", again)
        return
    told = account.client("dynamodb").describe_table(TableName=table)["Table"]
    for each in found:
        if each["EventSourceArn"] != told.get("LatestStreamArn"):
            how = f"aws lambda delete-event-source-mapping --uuid {each['UUID']}, {again}"
            yield Problem("counting", "gone", f"{lost}: the function listens to the stream of a table that is gone.", how)
        else:
            yield from _read(each, lost)


def _read(mapping: dict[str, Any], lost: str) -> Iterator[Problem]:
    state, result = str(mapping["State"]), str(mapping.get("LastProcessingResult", ""))
    if state not in _READING:
        how = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
        yield Problem("counting", "off", f"{lost}: reading the stream is {state.lower()}.", how)
    elif result.startswith("PROBLEM"):
        how = f"the log of {mapping['FunctionArn'].rpartition(':')[2]} says more"
        yield Problem("counting", "problem", f"{lost}: AWS cannot bring the stream to the function ({result}).", how)
