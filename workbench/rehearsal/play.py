"""The acts of a rehearsal, in their order."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.store.control import TableStore
from chalicelib.store.counters import Counters
from chalicelib.store.ledger import Ledger

from ..deployment.config import read_stage, stages
from ..deployment.setup import Setup
from ..local.local_account import LocalAccount
from ..local.local_deploy import deploy, fast_waiters
from ..paths import PROJECT, STATE
from ..waiting import wait_until
from .account_facts import Facts
from .in_runtime import Measured, measure
from .script import Script

COPIED = ("app.py", "chalicelib", "workbench", "resources.yaml", "requirements.txt", "pyproject.toml")
RULE = """

[[rules]]
name = "rehearsal"
bucket = "{bucket}"
key = "rehearsal/{folder}/**"
notify = {notify}
"""
TICK_S = 75.0  # a schedule of a minute has come by then
SETTLED_S = 30.0
_SENT = (State.SENT, State.DELIVERED)


class Rehearsal:
    """One rehearsal of one stage. What the checkout has is copied: nothing tracked ever changes."""

    def __init__(self, stage: str, folder: Path, account: LocalAccount, tell: Callable[[str, str], object]) -> None:
        self._stage, self._account = stage, account
        self._project = folder / "checkout"
        self._copy()
        fast_waiters(folder / "botocore")
        self.script = Script(self._project, account.target().variables(folder), tell)
        self._facts = Facts(self.script, account.client, self._project, stage)
        self._settings = self._prepare()
        self._log = folder / "deploy.log"

    def play(self) -> list[Measured]:
        """All acts; gives what each function took in AWS's runtime.

        Raises:
            Stopped, DeployError: a command failed.
        """
        self._set_up()
        self._deploy("deploy")
        self._use()
        self._change()
        self.script.act("in AWS's own runtime")
        measured = measure(self._account, self._project, self._facts.functions(), self._people()[0], self.script)
        self._remove()
        return measured

    def _set_up(self) -> None:
        self.script.act("set up")
        self.script.run("dropnote", "setup", "--stage", self._stage, "--yes", more=self._secrets())
        self._facts.set_up(self._account.token)
        again = self.script.run("dropnote", "setup", "--stage", self._stage, "--yes")
        self.script.fact("to set up again changes nothing", "the stack is as it should be" in again and "written" not in again)
        self.script.run("dropnote", "package", "--stage", self._stage)

    def _deploy(self, name: str) -> None:
        self.script.act(name)
        self.script.tell(f"  $ chalice deploy --stage {self._stage}", "dim")
        deploy(self._project, self._stage, self._account.target(), self._log)
        self._facts.deployed()
        finish = ("dropnote", "finish", "--stage", self._stage, "--public-url", self._url)
        said = self.script.run(*finish)
        self._facts.finished(self._url)
        self.script.fact("to finish again changes nothing", self.script.run(*finish), said)

    def _use(self) -> None:
        """Every way in: an upload by both notifications, the schedule, the stream, the bus, an invocation, HTTP."""
        self.script.act("use it")
        self._upload("rehearsal/first/report.pdf")
        self._upload_by_the_bus("rehearsal/first/by-the-bus.pdf")
        told = json.loads(self.script.run("dropnote", "test", self._people()[0], "--stage", self._stage, "--json"))
        sent = {each["state"] for each in told["deliveries"]}
        self.script.fact("an invocation: a test message is sent", sent, {"sent"})
        answer = requests.get(f"{self._url}/health", timeout=30)
        self.script.fact("HTTP: the bot is well", (answer.status_code, answer.json().get("stage")), (200, self._stage))
        forged = requests.post(f"{self._url}/receipts/twilio/0", data={"MessageSid": "SM0"}, timeout=30)
        self.script.fact("HTTP: a receipt that Twilio did not sign is refused", forged.status_code, 403)
        self.script.fact("the stream: what was sent is counted, each message once", self._counted())
        person, rows = self._people()[0], json.loads(self.script.run("dropnote", "budget", "--stage", self._stage, "--json"))
        used = [row["used"] for row in rows if row["scope"] == f"person {person}"]
        self.script.fact("the budgets of who was told are used", any(used) or not used)
        store = TableStore(self._account.client("dynamodb"), self._facts.variables["DROPNOTE_LEDGER"])
        self.script.fact("the schedule ticks: a sweep ended well", wait_until(lambda: "swept" in store.read(), TICK_S, 0.5))
        self.script.run("dropnote", "doctor", "--stage", self._stage)
        self.script.fact("the doctor finds nothing", True)

    def _change(self) -> None:
        self.script.act("change a rule and deploy again")
        file = self._project / "chalicelib" / "dropnote.toml"
        file.write_text(file.read_text().replace("rehearsal/first/**", "rehearsal/second/**"))
        found = self.script.run("dropnote", "doctor", "--stage", self._stage, status=1)
        self.script.fact("the doctor says that the settings are newer", "chalicelib/dropnote.toml" in found)
        self._deploy("deploy again")
        self._upload("rehearsal/second/report.pdf")

    def _remove(self) -> None:
        self.script.act("remove")
        self.script.run("dropnote", "remove", "--stage", self._stage, "--yes")
        self._facts.removed(tables=False)
        self.script.run("dropnote", "setup", "--stage", self._stage, "--yes", more=self._secrets())
        self.script.fact("tables that were left are used again", bool(self._rows("rehearsal/first/report.pdf")))
        self.script.run("dropnote", "remove", "--stage", self._stage, "--yes", "--tables")
        self._facts.removed(tables=True)

    def _upload(self, key: str, told_by: str = "an upload") -> None:
        """An upload, told by S3 and by the bus: one message for each channel."""
        bucket = self._facts.variables["UPLOAD_BUCKET"]
        self._account.client("s3").put_object(Bucket=bucket, Key=key, Body=b"rehearsed")
        self._told(key, told_by)

    def _upload_by_the_bus(self, key: str) -> None:
        """The same, with the bucket's own notification taken away meanwhile."""
        client, where = self._account.client("s3"), {"Bucket": self._facts.variables["UPLOAD_BUCKET"]}
        before = client.get_bucket_notification_configuration(**where)
        before.pop("ResponseMetadata")
        client.put_bucket_notification_configuration(**where, NotificationConfiguration={"EventBridgeConfiguration": {}})
        self._upload(key, "a bus event")
        client.put_bucket_notification_configuration(**where, NotificationConfiguration=before)

    def _told(self, key: str, what: str) -> None:
        wanted = sorted(channel.value for channel in self._channels(self._people()[0]))

        def sent() -> bool:
            rows = self._rows(key)
            return len(rows) >= len(wanted) and all(row.state in _SENT for row in rows)

        wait_until(sent, SETTLED_S, 0.1)
        found = sorted(row.channel.value if row.state in _SENT else f"{row.channel} {row.state}" for row in self._rows(key))
        self.script.fact(f"{what} is told once by each channel", found, wanted)

    def _rows(self, key: str) -> list[Delivery]:
        now = utc_now()
        ledger = Ledger(self._account.client("dynamodb"), self._facts.variables["DROPNOTE_LEDGER"])
        rows = (row for row in ledger.newest(now.replace(hour=0, minute=0, second=0), now) if isinstance(row, Delivery))
        return [row for row in rows if row.rule == "rehearsal" and row.event.upload and row.event.upload.key == key]

    def _counted(self) -> bool:
        """Whether the counters come to say of the first person what the ledger does."""
        client, person, now = self._account.client("dynamodb"), self._people()[0], utc_now()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        counters = Counters(client, self._facts.variables["DROPNOTE_COUNTERS"])
        ledger = Ledger(client, self._facts.variables["DROPNOTE_LEDGER"])

        def same() -> bool:
            rows = (row for row in ledger.newest(day, utc_now()) if isinstance(row, Delivery) and row.person == person)
            sent = sum(row.sent_at is not None for row in rows)
            return sent == sum(counters.sent_of(person, day, day + timedelta(days=1)).values()) > 0

        return wait_until(same, SETTLED_S, 0.5)

    @property
    def _url(self) -> str:
        resources = json.loads((self._project / ".chalice" / "deployed" / f"{self._stage}.json").read_text())["resources"]
        api = next(each["rest_api_id"] for each in resources if each["resource_type"] == "rest_api")
        return f"{self._account.ministack.endpoint}/restapis/{api}/api/_user_request_"

    def _secrets(self) -> dict[str, str]:
        """What a person would type: Twilio's token, and any password for SMTP."""
        return {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": self._account.token, "DROPNOTE_SECRET_SMTP_PASSWORD": self._account.token}

    def _people(self) -> list[str]:
        """The people of the settings, those with the most channels first."""
        people = self._settings.people
        return sorted(people, key=lambda name: -len(self._channels(name)))

    def _channels(self, person: str) -> list[Channel]:
        known = self._settings.people[person]
        addresses = {Channel.EMAIL: known.email, Channel.SMS: known.sms}
        return [channel for channel, address in addresses.items() if address and self._settings.sender(channel)]

    def _copy(self) -> None:
        skipped = shutil.ignore_patterns("__pycache__")
        self._project.mkdir(parents=True)
        for name in COPIED:
            if (PROJECT / name).is_dir():
                shutil.copytree(PROJECT / name, self._project / name, ignore=skipped)
            else:
                shutil.copy2(PROJECT / name, self._project / name)
        (self._project / ".chalice").mkdir()
        (self._project / ".dropnote").symlink_to(STATE)

    def _prepare(self) -> Settings:
        """Give the copy its stage and a rule of the rehearsal's own, and the account what the settings take for granted."""
        config: dict[str, Any] = json.loads((PROJECT / ".chalice" / "config.json").read_text())
        known = self._stage if self._stage in stages(PROJECT) else "local"
        variables = read_stage(PROJECT, known)["environment_variables"] | {"TWILIO_BASE_URL": self._account.desk}
        config["stages"][self._stage] = {**config["stages"][known], "environment_variables": variables}
        (self._project / ".chalice" / "config.json").write_text(json.dumps(config, indent=2))
        setup = Setup(self._project, self._stage, self._account.client)
        self._settings = setup.settings(setup.variables())
        person = self._people()[0]
        notify = json.dumps([f"{channel.value}:{person}" for channel in self._channels(person)])
        with (self._project / "chalicelib" / "dropnote.toml").open("a") as file:
            file.write(RULE.format(bucket=variables["UPLOAD_BUCKET"], folder="first", notify=notify))
        settings = setup.settings(setup.variables())
        self._account.furnish(settings, setup.variables())
        return settings
