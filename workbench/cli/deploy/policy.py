"""`dropnote policy`: the IAM policy of whoever deploys."""

from dataclasses import replace

import click
from botocore.session import Session

from ...deployment.errors import SetupError
from ...deployment.grants import StageLocation
from ...deployment.limits import MAX_POLICY, policy_size
from ...deployment.policies.deployer import MAX_MANAGED_POLICY, deployer_policy, smoke_policy
from ...deployment.policies.trust import trust_policy
from ...deployment.setup import Setup
from ...output import err, print_json
from ...paths import PROJECT
from ..deployment import clients, on_aws


@click.command()
@click.option("--stage", required=True, help="For example dev or prod")
@click.option("--account", default="", metavar="ID", help="Account number; default: that of your credentials")
@click.option("--region", default="", help="Region of the stage; default: your current one")
@click.option("--smoke", is_flag=True, help="The policy to run `dropnote smoke` with the values of the stage")
@click.option(
    "--trust", default="", metavar="OWNER/REPO", help="Instead: who may assume the role from GitHub Actions, OWNER/REPO[:ref:REF]"
)
@on_aws
def policy(stage: str, account: str, region: str, smoke: bool, trust: str) -> None:
    """Print the IAM policy that deploying a stage needs

    It allows what setup, chalice deploy, finish, doctor and remove call, on the stage's own resources.
    """
    location = _location(stage, account, region)
    setup = Setup(PROJECT, stage, clients)
    if trust:
        print_json(trust_policy(location, trust))
        return
    settings = setup.settings(setup.variables())
    document = smoke_policy(settings, location) if smoke else deployer_policy(settings, location)
    print_json(document)
    if (size := policy_size(document)) > MAX_MANAGED_POLICY:
        kind = "split it" if size > MAX_POLICY else "store it as an inline policy of a role"
        err.print(f"{size:,} characters: a managed policy allows {MAX_MANAGED_POLICY:,}; {kind}")


def _location(stage: str, account: str, region: str) -> StageLocation:
    """The account and region from the options, otherwise from the current credentials."""
    if account and not (account.isdigit() and len(account) == 12):
        raise SetupError(f"--account: invalid account number {account!r}; use its 12 digits")
    if not (account and region):
        sts = clients("sts")
        account, region = account or sts.get_caller_identity()["Account"], region or sts.meta.region_name
    return replace(StageLocation(stage, account, region), partition=Session().get_partition_for_region(region))
