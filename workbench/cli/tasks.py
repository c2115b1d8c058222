"""`dropnote run TASK key=value …`: the deliberate tasks, by invoking the deployed functions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import click

from chalicelib.delivery.tasks import TASKS, TaskError, parse_input
from chalicelib.domain.delivery import State
from chalicelib.platform.phrases import did_you_mean

from ..account import Account, AccountError
from ..output import as_json, fail, say, table, working
from .deliveries import on_account

_LISTS = ("to",)
_YES_OR_NO = {"true": True, "yes": True, "false": False, "no": False}
_SHOWN = ("person", "channel", "state", "reason", "detail")
_UNSENT = {State.FAILED, State.DROPPED, State.EXPIRED, State.UNDELIVERED}
_HELP = """Ask the bot for something: dropnote run send to=asha words.title=Hello words.text="Tonight at 22:00".

Without TASK, the tasks there are. Lists are written with commas (to=asha,email:ben), tables with dots (words.title=…).
Exit code 0: done; 1: failed or refused; 2: not asked for in order, and then nothing was invoked.

\b
Others may ask too, whose IAM policy allows lambda:InvokeFunction on the function's ARN,
arn:aws:lambda:REGION:ACCOUNT:function:dropnote-STAGE-TASK:
  aws lambda invoke --function-name dropnote-STAGE-watch_now \\
    --cli-binary-format raw-in-base64-out --payload '{"monitor": "shop"}' answer.json
"""


@click.command("run", help=_HELP)
@click.argument("task", default="", metavar="[TASK]")
@click.argument("given", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--stage", default="local", show_default=True, help="local, or a stage of .chalice/config.json.")
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
def run(task: str, given: tuple[str, ...], stage: str, json_: bool) -> None:
    """See _HELP."""
    if not task:
        _list(json_)
        return
    if task not in TASKS:
        raise click.UsageError(f"There is no task {task!r}; {did_you_mean(task, TASKS) or 'there are: ' + ', '.join(TASKS)}")
    payload = parsed(given)
    try:
        parse_input(task, payload)
    except TaskError as refused:
        raise click.UsageError(f"{refused}.") from refused
    if "id" in TASKS[task].input.__struct_fields__:
        payload.setdefault("id", uuid4().hex)  # boto3 asks again where no answer came, and that is another request
    _invoke(stage=stage, task=task, payload=payload, json_=json_)


@on_account
def _invoke(account: Account, task: str, payload: Mapping[str, Any], json_: bool) -> None:
    with working(f"asking for {task}"):
        answer = account.client("lambda").invoke(
            FunctionName=f"dropnote-{account.stage}-{task}", Payload=json.dumps(payload).encode()
        )
        result: Any = json.loads(answer["Payload"].read())
    if "FunctionError" in answer or not isinstance(result, dict):
        why = result.get("errorMessage") if isinstance(result, dict) else result
        raise AccountError(f"{task} failed: {why or 'it does not say why'}; its log says more")
    if json_:
        as_json(result)
    elif "error" not in result:
        _say(result)
    if "error" in result:
        fail(str(result["error"]))
    if any(each["state"] in _UNSENT for each in result.get("deliveries", ())):
        raise SystemExit(1)


def parsed(given: Sequence[str]) -> dict[str, Any]:
    """The input that KEY=VALUE pairs stand for.

    Raises:
        click.UsageError: one of them is no such pair, or comes twice.
    """
    found: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        outer, dot, inner = key.partition(".")
        if not equals or not outer or (dot and not inner):
            raise click.UsageError(f"{pair!r} is no KEY=VALUE.")
        if key in _LISTS:
            found.setdefault(key, []).extend(each.strip() for each in value.split(",") if each.strip())
            continue
        table_ = found.setdefault(outer, {}) if dot else found
        name = inner if dot else key
        if not isinstance(table_, dict) or name in table_:
            raise click.UsageError(f"{pair!r}: {outer!r} was given before.")
        table_[name] = _YES_OR_NO.get(value, value) if key == "urgent" else value
    return found


def _list(json_: bool) -> None:
    if json_:
        as_json({name: {"says": each.says, "fields": each.input.__struct_fields__} for name, each in TASKS.items()})
    else:
        table(("task", "what it does, and its fields"), [(name, each.says) for name, each in TASKS.items()])


def _say(result: Mapping[str, Any]) -> None:
    if result.get("deliveries"):
        table(_SHOWN, [[str(each[name]) for name in _SHOWN] for each in result["deliveries"]])
    if result.get("monitors"):
        table(("monitor", "state", "what it says"), [[each["name"], each["level"], each["says"]] for each in result["monitors"]])
        left = f", {result['left']} left for want of time" if result.get("left") else ""
        say(f"{result['told']} message{'' if result['told'] == 1 else 's'} told{left}")
    if result.get("says"):
        say(result["says"])


COMMANDS = (run,)
