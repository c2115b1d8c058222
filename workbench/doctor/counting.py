"""Whether what is sent gets counted: without that no budget is held.

Source: AWS Lambda API reference, "EventSourceMappingConfiguration" (State, LastProcessingResult).
"""

from collections.abc import Iterator
from typing import Any

from chalicelib.upkeep import Trouble, deploy_again, on_stage

from ..account import Account
from ..deployment.finish import source_of
from .deployed import functions, mappings

_READING = ("Creating", "Enabling", "Enabled", "Updating")


def stream(account: Account) -> Iterator[Trouble]:
    """Is the ledger's stream read, and is it the one of the table that is there?"""
    table = account.client("dynamodb").describe_table(TableName=account.variables["DROPNOTE_LEDGER"])["Table"]
    found = [each for each in mappings(account.client("lambda"), functions(account)) if source_of(each) == "dynamodb"]
    again = deploy_again(account.stage)
    if account.stage != "local":
        again = f"{on_stage('setup', account.stage)}, then {again}"
    if not found:
        yield _trouble("", "nothing listens to the ledger's stream", again)
    for each in found:
        if each["EventSourceArn"] != table.get("LatestStreamArn"):
            how = f"aws lambda delete-event-source-mapping --uuid {each['UUID']}, {again}"
            yield _trouble("gone", "the function listens to the stream of a table that is gone", how)
        else:
            yield from _read(each)


def _read(mapping: dict[str, Any]) -> Iterator[Trouble]:
    state, result = str(mapping["State"]), str(mapping.get("LastProcessingResult", ""))
    if state not in _READING:
        how = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
        yield _trouble("off", f"reading the ledger's stream is {state.lower()}", how)
    elif result.startswith("PROBLEM"):
        how = f"the log of {mapping['FunctionArn'].rpartition(':')[2]} says more"
        yield _trouble("problem", f"AWS cannot bring the ledger's stream to the function ({result})", how)


def _trouble(subject: str, what: str, how: str) -> Trouble:
    return Trouble("counting", subject, f"What is sent is not counted, and no budget is held: {what}.", how)
