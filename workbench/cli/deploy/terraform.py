"""`dropnote terraform`: the functions of a stage as a Terraform module."""

import json
import subprocess
import sys
from pathlib import Path

import click

from ...deployment.errors import SetupError
from ...deployment.setup import Setup
from ...deployment.stack import Stack
from ...output import say
from ...packaging.terraform import complete
from ...paths import PROJECT
from ..deployment import clients, on_aws


@click.command()
@click.option("--stage", required=True, help="For example dev or prod; run setup first")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@on_aws
def terraform(stage: str, out: Path) -> None:
    """Write a stage's functions as a Terraform module

    The module in OUT has what chalice deploy and finish would create. The tables, the queue and the alarms stay in setup's stack.
    """
    setup = Setup(PROJECT, stage, clients)
    queue = Stack(clients("cloudformation"), stage).outputs().get("DeadEventsArn")
    if queue is None:
        raise SetupError(f"the account has no stack for stage {stage}; run `dropnote setup --stage {stage}` first")
    chalice = [str(Path(sys.executable).with_name("chalice")), "package", "--pkg-format", "terraform", "--stage", stage]
    if subprocess.run([*chalice, str(out.resolve())], cwd=PROJECT, check=False).returncode != 0:
        raise SetupError("`chalice package` failed")
    file = out / "chalice.tf.json"
    module = complete(json.loads(file.read_text()), stage, setup.settings(setup.variables()).rules, queue)
    file.write_text(json.dumps(module, indent=2) + "\n")
    say(f"{file} and deployment.zip written; next: terraform init and terraform plan in {out}, or use it as a module")
