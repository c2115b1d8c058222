"""`dropnote run TASK key=value …`: the deliberate tasks, by invoking the deployed functions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from chalicelib.tasks import TASKS, Refused, checked

from .account import Account, AccountError
from .operate import on_account
from .output import as_json, fail, say, table, working

_LISTS = ("to",)
_TRUE = {"true": True, "yes": True, "false": False, "no": False}
_HELP = """Ask the bot for something: dropnote run send to=asha words.title=Hello words.text="Tonight at 22:00".

\b
Without TASK, the tasks there are. Lists are written with commas (to=asha,email:ben), tables with dots.
Others may ask too, whose IAM policy allows lambda:InvokeFunction on
arn:aws:lambda:REGION:ACCOUNT:function:dropnote-STAGE-TASK:
  aws lambda invoke --function-name dropnote-STAGE-watch_now --payload '{"monitor": "shop"}' answer.json
"""


@click.command("run", help=_HELP)
@click.argument("task", default="", metavar="[TASK]")
@click.argument("given", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
@on_account
def run(account: Account, task: str, given: tuple[str, ...], json_: bool) -> None:
    """See _HELP."""
    if not task:
        table(("task", "what it does, and its fields"), [(name, each.says) for name, each in TASKS.items()])
        return
    if task not in TASKS:
        raise click.UsageError(f"There is no task {task!r}; there are: {', '.join(TASKS)}.")
    payload = parsed(given)
    try:
        checked(task, payload)
    except Refused as refused:
        raise click.UsageError(f"{refused}.") from refused
    with working(f"asking for {task}"):
        answer = account.client("lambda").invoke(
            FunctionName=f"dropnote-{account.stage}-{task}", Payload=json.dumps(payload).encode()
        )
        result: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise AccountError(f"{task} failed: {result.get('errorMessage')}; its log says more")
    if json_:
        as_json(result)
    elif "error" not in result:
        _say(result)
    if "error" in result:
        fail(result["error"])


def parsed(given: Sequence[str]) -> dict[str, Any]:
    """The input that KEY=VALUE pairs stand for.

    Raises:
        click.UsageError: one of them is no such pair.
    """
    found: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{pair!r} is no KEY=VALUE.")
        outer, dot, inner = key.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        elif key in _LISTS:
            found[key] = [each.strip() for each in value.split(",") if each.strip()]
        else:
            found[key] = _TRUE.get(value, value) if key == "urgent" else value
    return found


def _say(result: Mapping[str, Any]) -> None:
    if result.get("deliveries"):
        table(
            ("person", "channel", "state", "reason"),
            [[each[name] for name in ("person", "channel", "state", "reason")] for each in result["deliveries"]],
        )
    if result.get("monitors"):
        table(("monitor", "state", "what it says"), [[each["name"], each["level"], each["says"]] for each in result["monitors"]])
        say(f"{result['told']} message{'' if result['told'] == 1 else 's'} told")
    if result.get("says"):
        say(result["says"])


COMMANDS = (run,)
