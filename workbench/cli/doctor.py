"""`dropnote doctor`: looks at a stage's live account and says what to do next."""

from typing import Any

import click

from ..account import Account
from ..output import as_json, say, working
from .deliveries import on_account


@click.command()
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
@on_account
def doctor(account: Account, json_: bool) -> None:
    """Look at the stage in its account: mail, texts, bindings, queue, sweep, functions. Exit code 1 when something is wrong."""
    from ..doctor.checks import CHECKS
    from ..doctor.model import examine

    with working(f"looking at stage {account.stage}") as step:
        results = list(examine(account, CHECKS, step))
    wrong = [result for result in results if result.findings]
    if json_:
        as_json({"stage": account.stage, "well": not wrong, "checks": [_told(result) for result in results]})
    else:
        for result in results:
            _print(result)
    if wrong:
        raise SystemExit(1)


def _told(result: Any) -> dict[str, Any]:
    findings = [{"what": finding.what, "next": finding.next} for finding in result.findings]
    return {"check": result.check.name, "state": result.state.value, "looks_at": result.check.permissions, "findings": findings}


def _print(result: Any) -> None:
    from ..doctor.model import State

    if result.state is State.OK:
        say(f"ok  {result.check.fine}", "green")
    elif result.state is State.SKIPPED:
        say(f"--  {result.check.permissions}: not asked, because of the above", "dim")
    for finding in result.findings:
        say(
            f"{'!!' if result.state is State.TROUBLE else '??'}  {finding.what}",
            "red" if result.state is State.TROUBLE else "yellow",
        )
        say(f"    next: {finding.next}")
