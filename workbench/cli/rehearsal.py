"""`dropnote rehearse`."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from ..deployment.config import stages
from ..deployment.setup import SetupError
from ..deployment.stack import StackError
from ..local.lambda_runtime import LambdaRuntimeError
from ..local.local_account import LocalAccount, PortOptionError
from ..local.local_deploy import DeployError
from ..local.ministack import MiniStackError, remove_folder
from ..output import fail, print_json, print_table, say
from ..paths import PROJECT
from ..rehearsal.in_runtime import FunctionMeasurement
from ..rehearsal.rehearsal import Rehearsal
from ..rehearsal.runner import CommandFailed
from ..reports.check import check_all
from .options import JSON_OPTION

_KEYS = ("function", "memory", "init ms", "cold ms", "warm ms", "CPU ms", "peak MB", "billed ms", "$ a million")
_COLUMNS = (*_KEYS[:-1], "$ per million")


@click.command()
@click.option("--stage", default="dev", show_default=True, help="The stage in .chalice/config.json whose values are used")
@JSON_OPTION
def rehearse(stage: str, json_: bool) -> None:
    """Rehearse a complete deployment on a fresh local account

    Sets up, deploys, uses, changes and removes the stage. Nothing of yours changes.
    """
    if (report := check_all(None, stage if stage in stages(PROJECT) else "local")).findings:
        fail("\n".join(map(str, report.findings)))
    facts, failed, measurements = 0, [], []
    try:
        with ExitStack() as stack:
            account = stack.enter_context(LocalAccount())
            folder = Path(tempfile.mkdtemp(prefix="dropnote-rehearsal-"))
            stack.callback(remove_folder, folder)
            rehearsal = Rehearsal(stage, folder, account, stack, (lambda line, style: None) if json_ else say)
            measurements = rehearsal.run()
            facts, failed = rehearsal.runner.facts, rehearsal.runner.failed
    except (CommandFailed, DeployError) as error:
        fail(str(error), error.tail)
    except (SetupError, StackError, MiniStackError, PortOptionError, LambdaRuntimeError, BotoCoreError, ClientError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped early; nothing was left behind")
    rows = [_row(measurement) for measurement in measurements]
    if json_:
        print_json({"facts": facts, "failed": failed, "functions": [dict(zip(_KEYS, row, strict=True)) for row in rows]})
    else:
        print_table(_COLUMNS, rows)
        say("init, cold and warm: measured at full speed; billed and $: a warm call by the model of docs/cost.md, Lambda only")
        say(f"{facts} facts checked, {len(failed)} wrong" if failed else f"{facts} facts checked, all correct", "green")
    if failed:
        fail("\n".join(failed))


def _row(measurement: FunctionMeasurement) -> list[str]:
    return [
        measurement.function,
        f"{measurement.memory_mb} MB",
        f"{measurement.init_ms:.0f}",
        f"{measurement.first_ms:.0f}",
        f"{measurement.warm_ms:.1f}",
        f"{measurement.warm_cpu_ms:.1f}",
        f"{measurement.peak_mb:.0f}",
        str(measurement.billed_ms),
        f"{measurement.per_million:.2f}",
    ]
