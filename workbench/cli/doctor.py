"""`dropnote doctor`: checks a stage's live account and prints what to do next."""

from typing import Any

import click

from ..account import Account
from ..output import print_json, progress, say
from .options import JSON_OPTION, on_account


@click.command()
@JSON_OPTION
@on_account
def doctor(account: Account, json_: bool) -> None:
    """Check a stage's live account and print what to do next

    Checks mail, texts, triggers, queue, sweep and functions. Exit code 1 if there is a finding.
    """
    from ..doctor.checks import CHECKS
    from ..doctor.model import run_checks

    with progress(f"Checking stage {account.stage}") as step:
        results = list(run_checks(account, CHECKS, step))
    has_findings = any(result.findings for result in results)
    if json_:
        checks = [_as_dict(result) for result in results]
        print_json({"stage": account.stage, "well": not has_findings, "checks": checks})
    else:
        for result in results:
            _print(result)
    if has_findings:
        raise SystemExit(1)


def _as_dict(result: Any) -> dict[str, Any]:
    findings = [{"what": finding.what, "next": finding.next} for finding in result.findings]
    return {"check": result.check.name, "state": result.state.value, "looks_at": result.check.subject, "findings": findings}


def _print(result: Any) -> None:
    from ..doctor.model import State

    if result.state is State.OK:
        say(f"ok  {result.check.passed}" + (f": {result.detail}" if result.detail else ""), "green")
    elif result.state is State.SKIPPED:
        say(f"--  {result.check.subject}: skipped because of the finding above", "dim")
    mark, style = ("!!", "red") if result.state is State.PROBLEM else ("??", "yellow")
    for finding in result.findings:
        say(f"{mark}  {finding.what}", style)
        say(f"    next: {finding.next}")
