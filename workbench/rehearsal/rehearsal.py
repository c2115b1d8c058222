"""The steps of a rehearsal: set up, deploy, use, change, run in AWS's runtime, remove."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import requests

from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings, Trigger
from chalicelib.platform.clock import utc_now
from chalicelib.platform.custom import settings_file
from chalicelib.store.control import TableStore
from chalicelib.store.counts.counters import Counters
from chalicelib.store.ledger import Ledger

from ..deployment.config import read_all, read_stage, stages
from ..deployment.grants import StageLocation
from ..deployment.policies.deployer import deployer_policy
from ..deployment.setup import Setup
from ..local.local_account import LocalAccount
from ..local.local_deploy import deploy, fast_waiters
from ..local.ministack import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from ..local.strict.http_requests import check_requests
from ..packaging.build import host_architecture
from ..paths import PROJECT
from ..settings_lines import settings_name
from ..waiting import wait_until
from .account_facts import AccountFacts
from .checkout import copy_checkout
from .in_runtime import FunctionMeasurement, measure
from .permissions import denied, uses
from .runner import Runner

RULE = """

[[rules]]
name = "rehearsal"
bucket = "{bucket}"
key = "rehearsal/{folder}/**"
notify = {notify}
"""
SCHEDULE_S, SENT_S = 75.0, 30.0  # long enough for a schedule of one minute, and for a message
SERVICES = ("cloudformation", "dynamodb", "events", "iam", "lambda", "logs", "s3", "sqs", "ssm")  # with any settings
OPERATOR = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}  # may do more than the deployer
_SENT = (State.SENT, State.DELIVERED)


class Rehearsal:
    """One rehearsal of a stage. It works on a copy of the checkout and changes no tracked file."""

    def __init__(
        self, stage: str, folder: Path, account: LocalAccount, stack: ExitStack, print_line: Callable[[str, str], object]
    ) -> None:
        """`stack` ends the proxies that record what the commands and the functions send to the account."""
        self._stage, self._account = stage, account
        self._target, self._proxy, self._api_proxy = account.recorded_target(stack)
        self._project = folder / "checkout"
        copy_checkout(self._project)
        fast_waiters(folder / "botocore")
        self.runner = Runner(self._project, self._target.variables(folder), print_line)
        self._facts = AccountFacts(self.runner, account.client, self._project, stage)
        self._settings = self._prepare()
        self._become_deployer()
        self._log = folder / "deploy.log"

    def _become_deployer(self) -> None:
        """Run the commands with the permissions that `dropnote policy` prints, and no other."""
        self._location = StageLocation(self._stage, ACCOUNT, REGION)
        self._policy = deployer_policy(self._settings, self._location)
        credentials = self._account.credentials("deployer", self._policy)
        self._target = replace(self._target, credentials=credentials)
        self.runner.variables = {**self.runner.variables, **credentials}

    def run(self) -> list[FunctionMeasurement]:
        """Run all steps. Return the measurements of each function in AWS's runtime.

        Raises:
            CommandFailed, DeployError: a command failed.
        """
        self._set_up()
        self._deploy("deploy")
        self._use()
        self._change()
        self.runner.begin("run in AWS's own runtime")
        measurements = measure(self._account, self._project, self._facts.functions(), self._people()[0], self.runner)
        self._remove()
        self._check_requests()
        return measurements

    def _set_up(self) -> None:
        self.runner.begin("set up")
        self.runner.run("dropnote", "setup", "--stage", self._stage, "--yes", variables=self._secrets())
        self._facts.after_setup(self._account.token)
        output = self.runner.run("dropnote", "setup", "--stage", self._stage, "--yes")
        unchanged = "the stack is up to date" in output and "written" not in output
        self.runner.fact("a second set-up changes nothing", unchanged)
        self.runner.run("dropnote", "package", "--stage", self._stage)

    def _deploy(self, title: str) -> None:
        self.runner.begin(title)
        self.runner.print_line(f"  $ chalice deploy --stage {self._stage}", "dim")
        deploy(self._project, self._stage, self._target, self._log)
        self._facts.after_deploy()
        finish = ("dropnote", "finish", "--stage", self._stage, "--public-url", self._url)
        output = self.runner.run(*finish)
        self._facts.after_finish(self._url)
        self.runner.fact("a second finish changes nothing", self.runner.run(*finish), output)

    def _use(self) -> None:
        """Trigger the bot in every way: S3 notification, EventBridge, invocation, HTTP, stream, schedule."""
        fact, person = self.runner.fact, self._people()[0]
        self.runner.begin("use")
        self._upload("rehearsal/first/report.pdf")
        if self._facts.variables["UPLOAD_BUCKET"] in self._settings.buckets_by(Trigger.DIRECT, Trigger.EVENTBRIDGE):
            self._upload_without_notification("rehearsal/first/by-the-bus.pdf")
        result = json.loads(self.runner.run("dropnote", "test", person, "--stage", self._stage, "--json", variables=OPERATOR))
        fact("invocation: the test message is sent", {delivery["state"] for delivery in result["deliveries"]}, {"sent"})
        health = requests.get(f"{self._url}/health", timeout=30)
        fact("HTTP: the health check succeeds", (health.status_code, health.json().get("stage")), (200, self._stage))
        forged = requests.post(f"{self._url}/receipts/twilio/0", data={"MessageSid": "SM0"}, timeout=30)
        fact("HTTP: a receipt without Twilio's signature is rejected", forged.status_code, 403)
        fact("stream: each sent message is counted once", self._counts_match())
        rows = json.loads(self.runner.run("dropnote", "budget", "--stage", self._stage, "--json", variables=OPERATOR))
        used = [row["used"] for row in rows if row["scope"] == f"person {person}"]
        fact("the recipient's budgets are used", any(used) or not used)
        store = TableStore(self._account.client("dynamodb"), self._facts.variables["DROPNOTE_LEDGER"])
        fact("schedule: a sweep succeeds", wait_until(lambda: "swept" in store.read(), SCHEDULE_S, 0.5))
        self.runner.run("dropnote", "doctor", "--stage", self._stage)
        fact("the doctor has no findings", True)

    def _change(self) -> None:
        self.runner.begin("change a rule")
        file = settings_file(self._project / "chalicelib")
        file.write_text(file.read_text().replace("rehearsal/first/**", "rehearsal/second/**"))
        findings = self.runner.run("dropnote", "doctor", "--stage", self._stage, status=1)
        self.runner.fact("the doctor reports the changed settings", settings_name(self._project) in findings)
        self._deploy("deploy again")
        self._upload("rehearsal/second/report.pdf")

    def _remove(self) -> None:
        self.runner.begin("remove")
        self.runner.run("dropnote", "remove", "--stage", self._stage, "--yes")
        self._facts.after_removal(tables=False)
        self.runner.run("dropnote", "setup", "--stage", self._stage, "--yes", variables=self._secrets())
        self.runner.fact("a new set-up reuses the kept tables", bool(self._rows("rehearsal/first/report.pdf")))
        self.runner.run("dropnote", "remove", "--stage", self._stage, "--yes", "--tables")
        self._facts.after_removal(tables=True)

    def _check_requests(self) -> None:
        """Check every recorded request against AWS's models and limits: MiniStack accepts more than AWS does."""
        self.runner.begin("check what was sent to AWS")
        checked, problems = check_requests(self._proxy.requests())
        unseen = set(SERVICES) - {operation.partition(" ")[0] for operation in checked}
        self.runner.fact("the proxy recorded requests to every service", unseen, set())
        key = self._target.credentials["AWS_ACCESS_KEY_ID"]
        used = uses((*self._proxy.requests(), *self._api_proxy.requests()), key, self._location)
        self.runner.fact(f"the deployer's policy allows its {len(used)} requests", denied(used, self._policy), [])
        self.runner.fact(f"{checked.total()} requests of {len(checked)} operations keep AWS's documented limits", problems, [])

    def _upload(self, key: str, trigger: str = "upload") -> None:
        """Upload a file, which S3 and EventBridge both report, and expect one message per channel."""
        bucket = self._facts.variables["UPLOAD_BUCKET"]
        self._account.client("s3").put_object(Bucket=bucket, Key=key, Body=b"rehearsed")
        self._expect_one_message_per_channel(key, trigger)

    def _upload_without_notification(self, key: str) -> None:
        """Upload a file while the bucket's own notification is removed, so that only EventBridge reports it."""
        client, bucket = self._account.client("s3"), {"Bucket": self._facts.variables["UPLOAD_BUCKET"]}
        original = client.get_bucket_notification_configuration(**bucket)
        original.pop("ResponseMetadata")
        client.put_bucket_notification_configuration(**bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
        self._upload(key, "upload reported by EventBridge")
        client.put_bucket_notification_configuration(**bucket, NotificationConfiguration=original)

    def _expect_one_message_per_channel(self, key: str, trigger: str) -> None:
        channels = sorted(channel.value for channel in self._channels(self._people()[0]))

        def all_sent() -> bool:
            rows = self._rows(key)
            return len(rows) >= len(channels) and all(row.state in _SENT for row in rows)

        wait_until(all_sent, SENT_S, 0.1)
        sent = sorted(row.channel.value if row.state in _SENT else f"{row.channel} {row.state}" for row in self._rows(key))
        self.runner.fact(f"{trigger}: one message per channel", sent, channels)

    def _rows(self, key: str) -> list[Delivery]:
        now = utc_now()
        ledger = Ledger(self._account.client("dynamodb"), self._facts.variables["DROPNOTE_LEDGER"])
        rows = (row for row in ledger.newest(now.replace(hour=0, minute=0, second=0), now) if isinstance(row, Delivery))
        return [row for row in rows if row.rule == "rehearsal" and row.event.upload and row.event.upload.key == key]

    def _counts_match(self) -> bool:
        """Wait until the counters and the ledger agree on the number of messages sent to the first person."""
        client, person, now = self._account.client("dynamodb"), self._people()[0], utc_now()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        counters = Counters(client, self._facts.variables["DROPNOTE_COUNTERS"])
        ledger = Ledger(client, self._facts.variables["DROPNOTE_LEDGER"])

        def equal() -> bool:
            rows = (row for row in ledger.newest(day, utc_now()) if isinstance(row, Delivery) and row.person == person)
            sent = sum(row.sent_at is not None for row in rows)
            return sent == sum(counters.sent_by_hour(person, day, day + timedelta(days=1)).values()) > 0

        return wait_until(equal, SENT_S, 0.5)

    @property
    def _url(self) -> str:
        resources = json.loads((self._project / ".chalice" / "deployed" / f"{self._stage}.json").read_text())["resources"]
        api = next(resource["rest_api_id"] for resource in resources if resource["resource_type"] == "rest_api")
        return f"{self._account.ministack.endpoint}/restapis/{api}/api/_user_request_"

    def _secrets(self) -> dict[str, str]:
        """The secrets that a person would type: Twilio's token and a password for SMTP."""
        return {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": self._account.token, "DROPNOTE_SECRET_SMTP_PASSWORD": self._account.token}

    def _people(self) -> list[str]:
        """The people in the settings, those with the most channels first."""
        people = self._settings.people
        return sorted(people, key=lambda name: -len(self._channels(name)))

    def _channels(self, name: str) -> list[Channel]:
        person = self._settings.people[name]
        addresses = {Channel.EMAIL: person.email, Channel.SMS: person.sms}
        return [channel for channel, address in addresses.items() if address and self._settings.sender(channel)]

    def _prepare(self) -> Settings:
        """Add the stage and a rule for the rehearsal to the copy, and provision the account with what the settings expect."""
        config = read_all(PROJECT)
        source = self._stage if self._stage in stages(PROJECT) else "local"
        variables = read_stage(PROJECT, source)["environment_variables"] | {
            "TWILIO_BASE_URL": self._account.server,
            "AWS_ENDPOINT_URL": self._proxy.url,
        }
        here = {"environment_variables": variables, "lambda_architecture": host_architecture()}
        config["stages"][self._stage] = {**config["stages"].get(source, {}), **here}
        (self._project / ".chalice" / "config.json").write_text(json.dumps(config, indent=2))
        setup = Setup(self._project, self._stage, self._account.client)
        self._settings = setup.settings(setup.variables())
        person = self._people()[0]
        notify = json.dumps([f"{channel.value}:{person}" for channel in self._channels(person)])
        with settings_file(self._project / "chalicelib").open("a") as file:
            file.write(RULE.format(bucket=variables["UPLOAD_BUCKET"], folder="first", notify=notify))
        settings = setup.settings(setup.variables())
        self._account.provision(settings, setup.variables())
        return settings
