"""Two stages deployed next to other applications: every bucket keeps its notifications, and every upload sends one message."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.delivery import Delivery, State
from chalicelib.platform.clock import utc_now
from chalicelib.store.ledger import Ledger
from workbench.deployment.setup import Setup
from workbench.local.local_account import LocalAccount
from workbench.local.local_deploy import deploy, fast_waiters
from workbench.local.ministack import ACCOUNT, REGION
from workbench.paths import PROJECT, STATE
from workbench.rehearsal.checkout import COPIED
from workbench.rehearsal.runner import CommandFailed, Runner
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment

PEOPLE = """
[bot]
name = "acme"
[email]
from = "drops@example.com"
[people.asha]
email = "asha@example.com"
"""
TRIGGERS = {
    "photos": 'trigger = "${PHOTOS}"',  # another application's function is invoked for the whole bucket
    "documents": "",  # another application's function is invoked for images/
    "news": f'trigger = "topic"\ntopic = "arn:aws:sns:{REGION}:{ACCOUNT}:news"',
    "jobs": f'trigger = "queue"\nqueue = "arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"',
    "shared": 'trigger = "${SHARED}"',  # by both stages
}
BUCKET = """
[[buckets]]
name = "{name}"
{trigger}
[[rules]]
name = "{name}"
bucket = "{name}"
key = "{key}"
notify = "email:asha"
then = "off"
"""


def settings_of(*buckets: str) -> str:
    keys = {"documents": "in/*.pdf"}
    entries = (BUCKET.format(name=name, trigger=TRIGGERS[name], key=keys.get(name, "**")) for name in buckets)
    return PEOPLE + "".join(entries)


FOREIGN_CODE = """
import os
def handler(event, context):
    with open(os.environ["SEEN"], "a") as file:
        file.writelines(record["s3"]["object"]["key"] + "\\n" for record in event["Records"])
"""
CREATED = ["s3:ObjectCreated:*"]


class Stages:
    """A checkout with two stages, on a local account with other applications."""

    def __init__(self, account: LocalAccount, folder: Path) -> None:
        self.account, self.client, self.folder = account, account.client, folder
        self.project, self.seen = folder / "checkout", folder / "seen"
        self.seen.touch()
        self.project.mkdir()
        self.refused: dict[str, str] = {}
        self.accepted = self.finished = ""
        for name in COPIED:
            copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
            copy(PROJECT / name, self.project / name)
        (self.project / ".dropnote").symlink_to(STATE)
        self.use(settings_of(*TRIGGERS))
        variables = {"PHOTOS": "direct", "SHARED": "direct"}
        config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
        config["stages"] = {stage: {"environment_variables": variables} for stage in ("dev", "prod")}
        (self.project / ".chalice").mkdir()
        (self.project / ".chalice" / "config.json").write_text(json.dumps(config))
        fast_waiters(folder / "botocore")
        self.runner = Runner(self.project, account.target().variables(folder), lambda line, style: None)

    def use(self, settings: str) -> None:
        """Replace the settings of the checkout."""
        (self.project / "chalicelib" / "dropnote.toml").write_text(settings)

    def provision(self) -> None:
        """The buckets as their owners have set them up: with notifications of their own, and without EventBridge."""
        setup = Setup(self.project, "dev", self.client)
        self.account.provision(setup.settings(setup.variables()), {"UPLOAD_BUCKET": "photos"})
        statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").create_role(RoleName="foreign", AssumeRolePolicyDocument=trust)
        resize = self._function("resize")
        images = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "images/"}]}}}
        self.notify("photos", LambdaFunctionConfigurations=[{"Id": "1", "LambdaFunctionArn": resize, "Events": CREATED}])
        self.notify(
            "documents", LambdaFunctionConfigurations=[{"Id": "2", "LambdaFunctionArn": resize, "Events": CREATED, **images}]
        )
        self.notify("shared")
        self.foreign = {bucket: self.notifications(bucket) for bucket in TRIGGERS}

    def _function(self, name: str) -> str:
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("foreign.py", FOREIGN_CODE)
        created = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=f"python{sys.version_info[0]}.{sys.version_info[1]}",
            Role=f"arn:aws:iam::{ACCOUNT}:role/foreign",
            Handler="foreign.handler",
            Code={"ZipFile": zipped.getvalue()},
            Environment={"Variables": {"SEEN": str(self.seen)}},
        )
        return str(created["FunctionArn"])

    def notify(self, bucket: str, **configuration: Any) -> None:
        self.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)

    def notifications(self, bucket: str) -> dict[str, Any]:
        response = self.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        return {name: value for name, value in response.items() if name != "ResponseMetadata"}

    def setup(self, stage: str, *values: str) -> str:
        """Run set-up. Return its output; also that of a set-up that refuses."""
        options = [option for value in values for option in ("--set", value)]
        try:
            return self.runner.run("dropnote", "setup", "--stage", stage, "--yes", *options)
        except CommandFailed as error:
            return f"refused: {error.tail}"

    def deploy(self, stage: str) -> str:
        """Deploy and finish a stage. Return the output of finish."""
        deploy(self.project, stage, self.account.target(), self.folder / "deploy.log")
        return self.runner.run("dropnote", "finish", "--stage", stage)

    def upload(self, bucket: str, key: str) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=b"content")

    def sent(self, stage: str, key: str) -> list[Delivery]:
        ledger, now = Ledger(self.client("dynamodb"), f"dropnote-{stage}-ledger"), utc_now()
        rows = ledger.newest(now.replace(hour=0, minute=0, second=0), now)
        deliveries = (row for row in rows if isinstance(row, Delivery) and row.event.upload and row.event.upload.key == key)
        return [row for row in deliveries if row.state is State.SENT]

    def expect_one_message(self, key: str, *stages: str) -> None:
        assert wait_until(lambda: all(self.sent(stage, key) for stage in stages), within_s=30), key
        assert {stage: len(self.sent(stage, key)) for stage in ("dev", "prod")} == {
            stage: int(stage in stages) for stage in ("dev", "prod")
        }

    def foreign_function_saw(self, key: str) -> bool:
        return wait_until(lambda: key in self.seen.read_text().split("\n"), within_s=20)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    with LocalAccount() as account:
        stages = Stages(account, tmp_path_factory.mktemp("stages"))
        stages.provision()
        stages.refused["dev"] = stages.setup("dev")
        stages.accepted = stages.setup("dev", "PHOTOS=eventbridge")
        stages.finished = stages.deploy("dev")
        stages.use(settings_of("news", "shared"))  # a second stage, for some of the buckets
        stages.refused["prod"] = stages.setup("prod")
        stages.setup("prod", "SHARED=eventbridge")
        stages.deploy("prod")
        yield stages


def without_own(notifications: dict[str, Any]) -> dict[str, Any]:
    """A configuration without Dropnote's functions and EventBridge."""
    lists = {name: entries for name, entries in notifications.items() if name != "EventBridgeConfiguration"}
    foreign = {
        name: [entry for entry in entries if ":function:dropnote-" not in entry.get("LambdaFunctionArn", "")]
        for name, entries in lists.items()
    }
    return {name: entries for name, entries in foreign.items() if entries}


def test_set_up_refuses_what_s3_would_reject(stages: Stages) -> None:
    assert "photos: the bucket already notifies the function resize (all keys) of uploads" in stages.refused["dev"]
    assert "documents" not in stages.refused["dev"]
    assert "the function dropnote-dev-upload_shared (all keys), stage dev of Dropnote, of uploads" in stages.refused["prod"]


def test_set_up_and_finish_explain_each_bucket(stages: Stages) -> None:
    lines = [
        "photos: EventBridge is off and will be switched on; nothing else changes",
        "photos: stays as it is: the function resize (all keys)",
        "photos: EventBridge is on; its other notification is unchanged. S3 takes about five minutes to start.",
        'documents: S3 will invoke dropnote-dev-upload_documents for keys that start with "in/" and end with ".pdf"',
        "news: uploads reach the bot through the topic news",
        "jobs: uploads reach the bot through the queue jobs",
        "shared: S3 will invoke dropnote-dev-upload_shared for all keys",
    ]
    assert [line for line in lines if line not in stages.accepted.splitlines()] == []
    ways = {"photos": "through EventBridge", "documents": "directly", "news": "through the topic news", "shared": "directly"}
    for bucket, way in ways.items():
        assert f"{bucket}: uploads reach the bot {way}" in stages.finished.splitlines()


@pytest.mark.parametrize("bucket", TRIGGERS)
def test_other_notifications_of_a_bucket_are_unchanged(stages: Stages, bucket: str) -> None:
    assert without_own(stages.notifications(bucket)) == stages.foreign[bucket]


def test_bucket_with_another_function_works_through_eventbridge(stages: Stages) -> None:
    stages.upload("photos", "a/photo.jpg")
    stages.expect_one_message("a/photo.jpg", "dev")
    assert stages.foreign_function_saw("a/photo.jpg")


def test_direct_notification_is_narrowed_to_the_keys_of_the_rules(stages: Stages) -> None:
    stages.upload("documents", "in/report.pdf")
    stages.upload("documents", "images/photo.jpg")
    stages.expect_one_message("in/report.pdf", "dev")
    assert stages.foreign_function_saw("images/photo.jpg")
    assert "in/report.pdf" not in stages.seen.read_text()


def test_upload_reaches_both_stages_through_one_topic(stages: Stages) -> None:
    stages.upload("news", "today.txt")
    stages.expect_one_message("today.txt", "dev", "prod")


def test_upload_arrives_through_the_queue(stages: Stages) -> None:
    stages.upload("jobs", "job 1.json")
    stages.expect_one_message("job 1.json", "dev")


def test_two_stages_on_one_bucket_send_one_message_each(stages: Stages) -> None:
    stages.upload("shared", "both.txt")
    stages.expect_one_message("both.txt", "dev", "prod")


def test_removing_both_stages_leaves_the_buckets_as_they_were(stages: Stages) -> None:
    """The last test: nothing of Dropnote is left in the notifications, except that EventBridge stays on."""
    stages.runner.run("dropnote", "remove", "--stage", "prod", "--yes", "--tables")
    stages.use(settings_of(*TRIGGERS))
    output = stages.runner.run("dropnote", "remove", "--stage", "dev", "--yes", "--tables")
    assert "kept: EventBridge stays on for the bucket photos" in output
    for bucket, before in stages.foreign.items():
        stays_on = bucket in ("photos", "shared")
        assert stages.notifications(bucket) == before | ({"EventBridgeConfiguration": {}} if stays_on else {}), bucket
    assert stages.client("sns").list_subscriptions()["Subscriptions"] == []
    assert stages.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
