"""Commands that invoke a function of the bot: run, test."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import click

from chalicelib.delivery.tasks import TASKS, TaskError, parse_input
from chalicelib.domain.delivery import State
from chalicelib.platform.phrases import did_you_mean, pluralize

from ..account import Account, AccountError
from ..output import fail, print_json, print_table, progress, say
from .options import JSON_OPTION, STAGE_OPTION, on_account

_LIST_FIELDS = ("to",)
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_DELIVERY_COLUMNS = ("person", "channel", "state", "reason", "detail")
_UNSENT = {State.FAILED, State.DROPPED, State.EXPIRED, State.UNDELIVERED}
_HELP = """Run a task now; without TASK, list the tasks

For example: dropnote run send to=asha words.title=Hello words.text="Tonight at 22:00". Separate list items with commas
(to=asha,email:ben) and name nested fields with dots (words.title=…).

Exit code 0: success; 1: the task was refused or failed; 2: invalid input, nothing was invoked.

\b
Programs can run tasks too. Their IAM policy must allow lambda:InvokeFunction on the function's ARN,
arn:aws:lambda:REGION:ACCOUNT:function:dropnote-STAGE-TASK:
  aws lambda invoke --function-name dropnote-STAGE-watch_now \\
    --cli-binary-format raw-in-base64-out --payload '{"monitor": "shop"}' answer.json
"""


@click.command("run", help=_HELP)
@click.argument("task", default="", metavar="[TASK]")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@STAGE_OPTION
@JSON_OPTION
def run(task: str, pairs: tuple[str, ...], stage: str, json_: bool) -> None:
    """See _HELP."""
    if not task:
        _list(json_)
        return
    if task not in TASKS:
        raise click.UsageError(f"unknown task {task!r}; {did_you_mean(task, TASKS) or 'use one of: ' + ', '.join(TASKS)}")
    payload = parse_pairs(pairs)
    try:
        parse_input(task, payload)
    except TaskError as error:
        raise click.UsageError(str(error)) from error
    if "id" in TASKS[task].input.__struct_fields__:
        payload.setdefault("id", uuid4().hex)  # boto3 repeats a request without a response: Lambda sees a second one
    _run(stage=stage, task=task, payload=payload, json_=json_)


@on_account
def _run(account: Account, task: str, payload: Mapping[str, Any], json_: bool) -> None:
    with progress(f"Running {task}"):
        result, failed = _invoke(account, task, payload)
    if failed or not isinstance(result, dict):
        reason = result.get("errorMessage") if isinstance(result, dict) else result
        raise AccountError(f"{task} failed: {reason or 'no error message'}; see the function's log")
    if json_:
        print_json(result)
    elif "error" not in result:
        _print_result(result)
    if "error" in result:
        fail(str(result["error"]))
    if any(delivery["state"] in _UNSENT for delivery in result.get("deliveries", ())):
        raise SystemExit(1)


def _invoke(account: Account, function: str, payload: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return a function's result, and whether it failed."""
    client, name = account.client("lambda"), f"dropnote-{account.stage}-{function}"
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload).encode())
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn KEY=VALUE pairs into a task's input.

    Raises:
        click.UsageError: one of them is not KEY=VALUE, or a key is given twice.
    """
    fields: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        outer, dot, inner = key.partition(".")
        if not equals or not outer or (dot and not inner):
            raise click.UsageError(f"{pair!r} is not KEY=VALUE")
        if key in _LIST_FIELDS:
            fields.setdefault(key, []).extend(item.strip() for item in value.split(",") if item.strip())
            continue
        target = fields.setdefault(outer, {}) if dot else fields
        name = inner if dot else key
        if not isinstance(target, dict) or name in target:
            raise click.UsageError(f"{pair!r}: {outer!r} is given twice")
        target[name] = _BOOLEANS.get(value, value) if key == "urgent" else value
    return fields


def _list(json_: bool) -> None:
    if json_:
        print_json({name: {"says": task.help, "fields": task.input.__struct_fields__} for name, task in TASKS.items()})
    else:
        print_table(("task", "what it does, and its fields"), [(name, task.help) for name, task in TASKS.items()])


def _print_result(result: Mapping[str, Any]) -> None:
    if deliveries := result.get("deliveries"):
        print_table(_DELIVERY_COLUMNS, [[str(delivery[column]) for column in _DELIVERY_COLUMNS] for delivery in deliveries])
    if monitors := result.get("monitors"):
        print_table(("monitor", "state", "result"), [[row["name"], row["level"], row["says"]] for row in monitors])
        skipped = f", skipped {pluralize(result['left'], 'monitor')} for lack of time" if result.get("left") else ""
        say(f"Sent {pluralize(result['told'], 'message')}{skipped}.")
    if result.get("says"):
        say(result["says"])


@click.command()
@click.argument("target", metavar="PERSON|GROUP|RULE")
@JSON_OPTION
@on_account
def test(account: Account, target: str, json_: bool) -> None:
    """Send a real message marked [TEST]

    It goes to a person, to a group, or to everybody a rule notifies.
    """
    with progress(f"Sending a test message to {target}"):
        result, _ = _invoke(account, "test", {"to": target})
    if "deliveries" not in result:
        fail(str(result.get("error") or result.get("errorMessage") or "the test function failed; see its log"))
    if json_:
        print_json(result)
    else:
        print_table(("person", "channel", "state", "reason"), [_cells(delivery) for delivery in result["deliveries"]])
    if not result["deliveries"] or any(delivery["state"] != "sent" for delivery in result["deliveries"]):
        raise SystemExit(1)


def _cells(delivery: Mapping[str, str]) -> list[str]:
    reason = delivery["reason"] + (f": {delivery['detail']}" if delivery["detail"] else "")
    return [delivery["person"], delivery["channel"], delivery["state"], reason]


COMMANDS = (run, test)
