"""What a smoke test will do: its names, its settings, whom it notifies, and what that costs."""

import json
import re
import secrets
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import Settings
from chalicelib.platform.custom import settings_file

from ...deployment.config import LOCAL, read_all, read_stage
from ...deployment.errors import SetupError
from ...deployment.policies.deployer import SMOKE_BUCKET, SMOKE_STAGE
from ..checkout import copy_checkout

RULE, MONITOR, PERSON = "smoke upload", "smoke feed", "me"
KEY, FEED = "smoke/hello.txt", "feed/today.csv"
_LETTERS = string.ascii_lowercase + string.digits
MESSAGES = 3  # by each channel: the upload, the late file, its arrival
_TAIL = """
[[rules]]
name = "{rule}"
bucket = "${{UPLOAD_BUCKET}}"
key = "smoke/**"
notify = {notify}

[[monitors]]
name = "{monitor}"
kind = "freshness"
bucket = "${{UPLOAD_BUCKET}}"
key = "feed/*.csv"
newest = "1h"
notify = {notify}
"""


@dataclass(frozen=True)
class SmokePlan:
    """A smoke test before it starts. `source` is the stage whose values are used; nothing of that stage is touched."""

    source: str
    stage: str
    bucket: str
    person: Person
    channels: tuple[Channel, ...]
    clean: bool = False  # only remove what an earlier test of this stage left

    @property
    def variables(self) -> dict[str, str]:
        """Replaces values of the source's environment."""
        return {"UPLOAD_BUCKET": self.bucket}

    def cost(self) -> str:
        """What it costs, in one line. Prices: docs/cost.md."""
        texts = f", and {MESSAGES} texts at your Twilio rate" if Channel.SMS in self.channels else ""
        return f"less than one cent of AWS{texts}"


def make_plan(source: str, settings: Settings, to: str = "", *, texts: bool = False, stage: str = "") -> SmokePlan:
    """Choose names that no other test has, and whom to notify: by e-mail, and by text only on request.

    `stage` is that of an earlier test, to clean up after it.

    Raises:
        SetupError: nobody could be notified, or `stage` is not of a smoke test.
    """
    name = to or settings.bot.owner or next(iter(settings.people), "")
    if stage and not re.fullmatch(rf"{SMOKE_STAGE}[a-z0-9]{{5}}", stage):
        raise SetupError(f"{stage!r} is not the stage of a smoke test; their names are like {SMOKE_STAGE}a1b2c")
    if name not in settings.people:
        raise SetupError(f"unknown person {name!r}; use --to with one of: {', '.join(settings.people) or 'none'}")
    person = settings.people[name]
    email = [Channel.EMAIL] if person.email and settings.email else []
    sms = [Channel.SMS] if texts and person.sms and settings.sms else []
    if texts and not sms:
        raise SetupError(f"{name} cannot get texts: --texts needs an [sms] table and a number in [people.{name}]")
    if not email + sms:
        raise SetupError(f"{name} cannot get e-mails; use --texts, which costs a few texts, or --to with another person")
    clean, stage = bool(stage), stage or SMOKE_STAGE + "".join(secrets.choice(_LETTERS) for _ in range(5))
    return SmokePlan(source, stage, f"{SMOKE_BUCKET}-{stage.removeprefix(SMOKE_STAGE)}", person, tuple(email + sms), clean)


def write_checkout(plan: SmokePlan, project: Path, copy: Path, variables: Mapping[str, str]) -> None:
    """Copy the checkout, with the settings of the test and its stage as the only one. `variables` are added to the stage's."""
    copy_checkout(copy)
    text = settings_file(project / "chalicelib").read_text()
    settings_file(copy / "chalicelib").write_text(settings_text(plan, tomllib.loads(text)))
    config, stage = read_all(project), read_stage(project, plan.source)
    own = stage.pop("environment_variables") | plan.variables | variables
    named = {name: value for name, value in own.items() if not name.startswith("DROPNOTE_")}  # set-up writes these
    functions = {name: {**value} for name, value in stage.pop("lambda_functions", {}).items() if name in ("sweep", "watch")}
    for function in functions.values():
        function.pop("iam_policy_file", None)
    stages = {plan.stage: {**stage, "environment_variables": named, "lambda_functions": functions}}
    top = {name: config[name] for name in ("version", "app_name")}
    content = {**top, "stages": {LOCAL: config["stages"][LOCAL], **stages}}  # packaging imports the app as LOCAL
    (copy / ".chalice" / "config.json").write_text(json.dumps(content, indent=2) + "\n")


def settings_text(plan: SmokePlan, user: Mapping[str, Any]) -> str:
    """A dropnote.toml with the user's senders, one person, one rule and one monitor.

    No owner: Amazon would ask for a subscription to alarms that are removed minutes later. No quiet hours, digests and budgets,
    which would hold messages back.
    """
    notify = json.dumps([f"{channel.value}:{PERSON}" for channel in plan.channels])
    addresses = {Channel.EMAIL: plan.person.email, Channel.SMS: plan.person.sms}
    tables = {
        "bot": {"name": f"{user['bot']['name']} smoke test"},
        **{channel.value: user[channel.value] for channel in plan.channels},
        f"people.{PERSON}": {channel.value: addresses[channel] for channel in plan.channels},
    }
    return "\n".join(_table(name, table) for name, table in tables.items()) + _TAIL.format(
        rule=RULE, monitor=MONITOR, notify=notify
    )


def _table(name: str, table: Mapping[str, Any]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items()), ""])


def _toml(value: object) -> str:
    """A text, number, truth value or list in TOML: as in JSON, except for DEL (toml.io, "String")."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
