"""`dropnote rehearse`."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from ..deployment.config import stages
from ..deployment.setup import SetupError
from ..deployment.stack import StackError
from ..local.lambda_runtime import RuntimeTrouble
from ..local.local_account import FlaggedPortTaken, LocalAccount
from ..local.local_deploy import DeployError
from ..local.ministack import MiniStackError, remove_folder
from ..output import as_json, fail, say, table
from ..paths import PROJECT
from ..rehearsal.in_runtime import Measured
from ..rehearsal.play import Rehearsal
from ..rehearsal.script import Stopped
from ..reports.check import check_all

_COLUMNS = ("function", "memory", "init ms", "cold ms", "warm ms", "CPU ms", "peak MB", "billed ms", "$ a million")


@click.command()
@click.option("--stage", default="dev", show_default=True, help="Whose values of .chalice/config.json are taken.")
@click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")
def rehearse(stage: str, json_: bool) -> None:
    """Set up, deploy, use, change and remove a stage on a fresh local account. Nothing of yours changes."""
    if (report := check_all(None, stage if stage in stages(PROJECT) else "local")).findings:
        fail("\n".join(map(str, report.findings)))
    facts, failed, measured = 0, [], []
    try:
        with ExitStack() as stack:
            account = stack.enter_context(LocalAccount())
            folder = Path(tempfile.mkdtemp(prefix="dropnote-rehearsal-"))
            stack.callback(remove_folder, folder)
            rehearsal = Rehearsal(stage, folder, account, (lambda line, style: None) if json_ else say)
            measured = rehearsal.play()
            facts, failed = rehearsal.script.facts, rehearsal.script.failed
    except (Stopped, DeployError) as error:
        fail(str(error), error.tail)
    except (SetupError, StackError, MiniStackError, FlaggedPortTaken, RuntimeTrouble, BotoCoreError, ClientError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the end; nothing is left behind")
    if json_:
        as_json(
            {"facts": facts, "failed": failed, "functions": [dict(zip(_COLUMNS, _row(each), strict=True)) for each in measured]}
        )
    else:
        table(_COLUMNS, [_row(each) for each in measured])
        say("init, cold and warm at full speed; billed and $ by the model of docs/cost.md for a warm call; Lambda alone")
        say(f"{facts} facts, {len(failed)} not as they should be" if failed else f"{facts} facts, all as they should be", "green")
    if failed:
        fail("\n".join(failed))


def _row(each: Measured) -> list[str]:
    times = [f"{each.init_ms:.0f}", f"{each.first_ms:.0f}", f"{each.warm_ms:.1f}", f"{each.warm_cpu_ms:.1f}"]
    return [each.function, f"{each.memory_mb} MB", *times, f"{each.peak_mb:.0f}", str(each.billed_ms), f"{each.per_million:.2f}"]
