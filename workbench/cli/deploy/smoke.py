"""`dropnote smoke`: try a deployment in your account."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import requests
from msgspec.structs import replace

from ...account import settings_of
from ...deployment.config import LOCAL, region
from ...deployment.errors import SetupError
from ...deployment.grants import StageLocation, secret_names
from ...deployment.identities import find_identities, sender_address, ses_client, verified_identity
from ...deployment.policies.deployer import smoke_policy
from ...deployment.setup import Setup
from ...local.local_account import LocalAccount, PortOptionError
from ...local.local_deploy import fast_waiters
from ...local.ministack import REGION, MiniStackError, remove_folder
from ...output import err, fail, print_json, say
from ...paths import PROJECT, STATE
from ...rehearsal.permissions import NOT_REHEARSED, denied, unused, uses
from ...rehearsal.runner import Runner
from ...rehearsal.smoke.plan import MESSAGES, SmokePlan, make_plan, write_checkout
from ...rehearsal.smoke.report import Report
from ...rehearsal.smoke.smoke import Patience, Smoke
from ..deployment import clients, on_aws
from ..first_steps.secrets import ask_secret
from ..options import JSON_OPTION

REPORT = STATE / "smoke-report.json"
COMMAND_S = 1800  # a first deploy takes minutes: Chalice waits for each role


@dataclass(frozen=True)
class AccountUnderTest:
    """The account that is tested, and how it is reached: all that differs between AWS and the local one."""

    location: StageLocation
    client: Callable[..., Any]
    variables: Mapping[str, str]  # the commands' complete environment
    secrets: Mapping[str, str]
    patience: Patience
    inbox: Callable[[], int] | None = None
    verify: Callable[[], None] = lambda: None  # after the test


_ERRORS = (MiniStackError, PortOptionError)


@click.command()
@click.option("--stage", required=True, help='Whose settings are used, for example dev; "local" tests on a fresh local account')
@click.option("--to", default="", metavar="PERSON", help="Who gets the test messages; default: the owner")
@click.option("--texts", is_flag=True, help="Send texts too, which cost money")
@click.option("--yes", is_flag=True, help="Do not ask anything, for scripts")
@click.option(
    "--report", "file", type=click.Path(dir_okay=False, path_type=Path), default=REPORT, help="Where the report is written"
)
@click.option("--clean", default="", metavar="STAGE", help="Only remove what an earlier smoke test left behind")
@JSON_OPTION
@on_aws
def smoke(stage: str, to: str, texts: bool, yes: bool, file: Path, clean: str, json_: bool) -> None:
    """Try a deployment in your account: five minutes, then removed

    Creates a bucket and a stage of its own, deploys, uploads a file, waits for the message, repeats the event, tests a monitor
    and removes everything again, also after an error or Ctrl-C. Touches no other stage or bucket. Asks before it starts.
    """
    settings, _ = settings_of(stage)
    plan = make_plan(stage, settings, to, texts=texts or stage == LOCAL, stage=clean)
    try:
        report = _run(plan, _print_nothing if json_ else say, file, yes=yes)
    except _ERRORS as error:
        fail(str(error))
    if json_:
        print_json(report.as_dict())
    err.print(f"report, without addresses, secrets and account number: {file}")
    if not report.passed:
        fail("the smoke test failed; please attach the report to an issue")


def _print_nothing(line: str, style: str) -> None:
    """For --json: only the report is printed."""


def _run(plan: SmokePlan, print_line: Callable[[str, str], object], file: Path, *, yes: bool) -> Report:
    """Run the test, or only its last step. The report is written whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="dropnote-smoke-"))
    with ExitStack() as stack:
        stack.callback(remove_folder, folder)
        account = stack.enter_context((_local if plan.source == LOCAL else _aws)(plan, folder, yes))
        hidden = [*account.secrets.values(), account.location.account, plan.person.email, plan.person.sms]
        report = Report(print_line, _facts(plan, account.location), hidden)
        stack.callback(report.write, file)
        runner = Runner(folder / "checkout", account.variables, report.line, timeout_s=COMMAND_S)
        test = Smoke(
            plan, account.location.region, account.client, runner, report, account.secrets, account.patience, account.inbox
        )
        if plan.clean:
            test.clean_up()
        elif test.run():
            account.verify()
        return report


def _facts(plan: SmokePlan, location: StageLocation) -> dict[str, Any]:
    channels = [channel.value for channel in plan.channels]
    where = {"partition": location.partition, "region": location.region, "sandbox": location.sandbox}
    return {"test_stage": plan.stage, "channels": channels, **where, "sender": location.sender}


@contextmanager
def _aws(plan: SmokePlan, folder: Path, yes: bool) -> Iterator[AccountUnderTest]:
    """Your account, with boto3's usual credentials. Stops before anything is created if a message could not arrive."""
    write_checkout(plan, PROJECT, folder / "checkout", {})
    setup = Setup(folder / "checkout", plan.stage, clients)
    settings = setup.settings(setup.variables())
    location = setup.location(settings)
    if (expected := region(PROJECT, plan.source)) and expected != location.region:
        raise SetupError(f"stage {plan.source} belongs to {expected}, but the current region is {location.region}")
    if not plan.clean:
        _check_mail(setup, plan, location)
    _announce(plan, location)
    if not yes:
        click.confirm("Start?", default=False, abort=True)
    names = () if plan.clean else secret_names(settings)
    secrets = {f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}": ask_secret(name, settings, plan.stage, yes) for name in names}
    yield AccountUnderTest(location, clients, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, secrets, Patience())


def _check_mail(setup: Setup, plan: SmokePlan, location: StageLocation) -> None:
    settings = setup.settings(setup.variables())
    if not location.sender:
        return
    ses, addresses = ses_client(clients, settings), [sender_address(settings)]
    if location.sandbox and plan.person.email:
        addresses.append(plan.person.email)
    for address in addresses:
        if not verified_identity(find_identities(ses, address)):
            hint = " SES is in the sandbox, so recipients have to be verified too." if location.sandbox else ""
            raise SetupError(
                f"SES has not verified {address}. Run: aws sesv2 create-email-identity --email-identity {address}, then click "
                f"the link in the e-mail.{hint}"
            )


def _announce(plan: SmokePlan, location: StageLocation) -> None:
    recipients = {"email": plan.person.email, "sms": plan.person.sms}
    to = " and ".join(recipients[channel.value] for channel in plan.channels)
    say(f"account {location.account}, region {location.region}, values of stage {plan.source}")
    if plan.clean:
        say(f"removes   bucket {plan.bucket} and stage {plan.stage}, if they exist")
        return
    say(f"creates   bucket {plan.bucket}; stage {plan.stage}: a stack, functions with a role each, schedules and an API")
    say(f"sends     {MESSAGES} test messages each to {to}")
    say(f"costs     {plan.cost()}")
    say("removes   all of it at the end, also after an error or Ctrl-C; other stages and buckets are not touched")


@contextmanager
def _local(plan: SmokePlan, folder: Path, yes: bool) -> Iterator[AccountUnderTest]:
    """A fresh local account. The test runs with the permissions that `dropnote policy --smoke` prints, and no other."""
    import boto3  # late: a third of a second

    with LocalAccount() as account, ExitStack() as stack:
        target, *proxies = account.recorded_target(stack)
        checkout = folder / "checkout"
        write_checkout(plan, PROJECT, checkout, target.environment)
        fast_waiters(folder / "botocore")
        setup = Setup(checkout, plan.stage, account.client)
        settings = setup.settings(setup.variables())
        account.provision(replace(settings, rules=(), monitors=()), {})  # the test creates its bucket itself
        location = setup.location(settings)
        document = smoke_policy(settings, location)
        credentials = account.credentials("smoke", document)
        session = boto3.Session(credentials["AWS_ACCESS_KEY_ID"], credentials["AWS_SECRET_ACCESS_KEY"], region_name=REGION)

        def client(service: str, **options: Any) -> Any:
            endpoint = target.rest_api if service == "apigateway" else target.endpoint
            return session.client(service, endpoint_url=endpoint, **options)

        def arrived() -> int:
            inbox = requests.get(f"{account.server}/inbox.json", timeout=10).json()
            return len(inbox["texts"]) + len(inbox["mails"])

        def verify() -> None:
            requests_ = [request for proxy in proxies for request in proxy.requests()]
            used = uses(requests_, credentials["AWS_ACCESS_KEY_ID"], location)
            if problems := denied(used, document):
                raise SetupError("the policy of `dropnote policy --smoke` does not allow: " + ", ".join(problems))
            if problems := sorted(unused(used, document) - {*NOT_REHEARSED}):
                raise SetupError("the policy of `dropnote policy --smoke` allows what was not used: " + ", ".join(problems))

        secrets = {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": account.token, "DROPNOTE_SECRET_SMTP_PASSWORD": account.token}
        variables = {**target.variables(folder), **credentials}
        yield AccountUnderTest(location, client, variables, secrets, Patience(30.0, 30.0, 0.2), arrived, verify)
