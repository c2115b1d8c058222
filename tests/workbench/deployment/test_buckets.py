"""What set-up finds at a bucket and says, what it changes, and that it never changes a foreign notification."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from chalice.awsclient import TypedAWSClient
from click.testing import CliRunner, Result

from chalicelib.domain.settings import Settings
from tests.support.builders import some_settings
from workbench.cli.main import main
from workbench.deployment.buckets import BucketSetup
from workbench.deployment.errors import SetupError
from workbench.deployment.grants import StageLocation
from workbench.local.ministack import ACCOUNT, REGION, MiniStack
from workbench.local.resources import make_role
from workbench.local.strict.check import LimitExceeded, attach, detach

LOCATION = StageLocation("dev", ACCOUNT, REGION)
OURS, RESIZE = (LOCATION.arn("lambda", f"function:{name}") for name in ("dropnote-dev-upload_acme_drops", "resize"))
OTHER_STAGE = LOCATION.arn("lambda", "function:dropnote-prod-upload_acme_drops")
TOPIC, QUEUE = LOCATION.arn("sns", "news"), LOCATION.arn("sqs", "jobs")
CREATED = "s3:ObjectCreated:*"


def filtered(**values: str) -> dict[str, Any]:
    return {"Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in values.items()]}}}


FUNCTION = {"Id": "resize-images", "LambdaFunctionArn": RESIZE, "Events": [CREATED], **filtered(prefix="images/", suffix=".jpg")}
FOREIGN = {
    "LambdaFunctionConfigurations": [FUNCTION],
    "TopicConfigurations": [{"Id": "news", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:*"]}],
    "QueueConfigurations": [{"Id": "jobs", "QueueArn": QUEUE, "Events": ["s3:ObjectCreated:Copy"], **filtered(prefix="jobs/")}],
}


def settings_for(trigger: str = "", *more: str, key: str = "**") -> Settings:
    lines = ["[[buckets]]", 'name = "acme-drops"', f'trigger = "{trigger}"', *more, ""] if trigger else []
    return some_settings("\n".join(lines), **{'name = "uploads"': f'name = "uploads"\nkey = "{key}"'})


BY_TOPIC = settings_for("topic", f'topic = "{TOPIC}"')
BY_QUEUE = settings_for("queue", f'queue = "{QUEUE}"')


class Bucket:
    """A bucket with notifications of other applications, and set-up for it."""

    def __init__(self, ministack: MiniStack) -> None:
        self.ministack, self.s3 = ministack, ministack.client("s3")
        self.s3.create_bucket(Bucket="acme-drops")

    def notify(self, **configuration: Any) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket="acme-drops", NotificationConfiguration=configuration, SkipDestinationValidation=True
        )

    def configuration(self) -> dict[str, Any]:
        response = self.s3.get_bucket_notification_configuration(Bucket="acme-drops")
        return {name: value for name, value in response.items() if name != "ResponseMetadata"}

    def setup(self, settings: Settings | None = None) -> BucketSetup:
        return BucketSetup(
            self.ministack.client, settings or settings_for(), LOCATION, {"acme-drops": "${UPLOAD_BUCKET}"}, pause_s=0.01
        )

    def found(self, settings: Settings | None = None) -> str:
        """What set-up says of the bucket: lines, warnings or the refusal."""
        try:
            (plan,) = self.setup(settings).plans()
        except SetupError as error:
            return f"refused: {error}"
        return "\n".join([*plan.lines, *plan.warnings])


@pytest.fixture
def bucket(ministack: MiniStack) -> Bucket:
    return Bucket(ministack)


def test_bucket_without_notifications_is_bound_directly(bucket: Bucket) -> None:
    assert bucket.found() == "acme-drops: S3 will invoke dropnote-dev-upload_acme_drops for all keys"
    assert 'upload_acme_drops for keys that start with "in/" and end with ".pdf"' in bucket.found(settings_for(key="in/*.pdf"))


def test_bucket_that_does_not_exist_is_named(ministack: MiniStack) -> None:
    (plan,) = BucketSetup(ministack.client, settings_for(), LOCATION, {}).plans()
    assert plan.warnings == ("acme-drops: the bucket does not exist; create it before the deploy",)


def test_notifications_that_do_not_overlap_stay(bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    assert bucket.found(settings_for(key="in/**")).splitlines() == [
        'acme-drops: S3 will invoke dropnote-dev-upload_acme_drops for keys that start with "in/"',
        'acme-drops: stays as it is: the function resize (keys that start with "images/" and end with ".jpg") and the topic news '
        '(all keys) and the queue jobs (keys that start with "jobs/")',
    ]


def test_overlapping_notification_is_named_with_the_lines_that_work(bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    found = bucket.found()
    assert found.startswith("refused: acme-drops: the bucket already notifies the function resize (keys that start with ")
    assert 'and the queue jobs (keys that start with "jobs/") of uploads' in found
    assert "the topic news" not in found
    assert '    [[buckets]]\n    name = "${UPLOAD_BUCKET}"\n    trigger = "eventbridge"\n' in found
    assert bucket.configuration() == FOREIGN


def test_topic_that_reports_every_upload_is_proposed_too(bucket: Bucket) -> None:
    bucket.notify(TopicConfigurations=[{"Id": "1", "TopicArn": TOPIC, "Events": [CREATED]}])
    found = bucket.found(settings_for("direct"))
    assert "replace its [[buckets]] entry by these lines" in found
    assert f'    trigger = "topic"\n    topic = "{TOPIC}"\n' in found


def test_another_stage_of_dropnote_on_the_bucket_is_recognized(bucket: Bucket) -> None:
    bucket.notify(LambdaFunctionConfigurations=[{"LambdaFunctionArn": OTHER_STAGE, "Events": [CREATED]}])
    assert "dropnote-prod-upload_acme_drops (all keys), stage prod of Dropnote, of uploads" in bucket.found()


def test_own_notification_of_an_earlier_deploy_is_no_conflict(bucket: Bucket) -> None:
    bucket.notify(LambdaFunctionConfigurations=[{"LambdaFunctionArn": OURS, "Events": [CREATED]}])
    assert bucket.found() == "acme-drops: S3 will invoke dropnote-dev-upload_acme_drops for all keys"


def test_emulator_rejects_what_set_up_refuses(bucket: Bucket) -> None:
    """S3's own rule, which the emulator's patch implements separately."""
    added = {"LambdaFunctionArn": OURS, "Events": [CREATED]}
    bucket.notify(**FOREIGN)
    detach(bucket.s3)  # it rejects such a request before it is sent
    with pytest.raises(ClientError, match="ambiguously defined"):
        bucket.notify(**{**FOREIGN, "LambdaFunctionConfigurations": [FUNCTION, added]})
    attach(bucket.s3)
    with pytest.raises(LimitExceeded, match="two entries that match the same object"):
        bucket.notify(**{**FOREIGN, "LambdaFunctionConfigurations": [FUNCTION, added]})
    bucket.notify(**{**FOREIGN, "LambdaFunctionConfigurations": [FUNCTION, {**added, **filtered(prefix="in/")}]})


def test_eventbridge_is_switched_on_and_nothing_else_changes(bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    setup = bucket.setup(settings_for("eventbridge"))
    (plan,) = setup.plans()
    assert plan.lines[0] == "acme-drops: EventBridge is off and will be switched on; nothing else changes"
    assert bucket.configuration() == FOREIGN
    done = setup.switch_on(plan)
    assert done.startswith("acme-drops: EventBridge is on; its 3 other notifications are unchanged.")
    assert bucket.configuration() == {**FOREIGN, "EventBridgeConfiguration": {}}
    (again,) = setup.plans()
    assert again.switch_on is None
    assert again.lines[0] == "acme-drops: EventBridge is on; uploads reach the bot through it"


def test_switching_on_sends_no_test_message_to_others(bucket: Bucket) -> None:
    queues = bucket.ministack.client("sqs")
    url = create_open_queue(bucket.ministack, "jobs")
    bucket.notify(QueueConfigurations=FOREIGN["QueueConfigurations"])
    setup = bucket.setup(settings_for("eventbridge"))
    setup.switch_on(setup.plans()[0])
    assert "Messages" not in queues.receive_message(QueueUrl=url)


def test_configuration_that_changed_in_between_is_not_overwritten(bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    setup = bucket.setup(settings_for("eventbridge"))
    (plan,) = setup.plans()
    newer = {**FOREIGN, "TopicConfigurations": [{"Id": "newer", "TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}]}
    bucket.notify(**newer)
    with pytest.raises(SetupError, match="were changed in the last minute; nothing was written"):
        setup.switch_on(plan)
    assert bucket.configuration() == newer


def test_chalice_changes_only_the_entry_of_its_own_function(bucket: Bucket) -> None:
    """What `chalice deploy` calls, twice with other filters, and then `chalice delete`."""
    bucket.notify(**FOREIGN, EventBridgeConfiguration={})
    create_open_queue(bucket.ministack, "jobs")
    bucket.ministack.client("sns").create_topic(Name="news", Attributes={"Policy": open_policy(TOPIC)})
    session: Any = SimpleNamespace(create_client=lambda service, **_: bucket.ministack.client(service))
    chalice = TypedAWSClient(session)
    for prefix in ("in/", "incoming/"):
        chalice.connect_s3_bucket_to_lambda("acme-drops", OURS, [CREATED], prefix, None)
        functions = bucket.configuration()["LambdaFunctionConfigurations"]
        assert functions[0] == FUNCTION
        assert [entry["Filter"] for entry in functions if entry["LambdaFunctionArn"] == OURS] == [
            filtered(prefix=prefix)["Filter"]
        ]
    chalice.disconnect_s3_bucket_from_lambda("acme-drops", OURS)
    assert bucket.configuration() == {**FOREIGN, "EventBridgeConfiguration": {}}


def open_policy(resource: str) -> str:
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def create_open_queue(ministack: MiniStack, name: str) -> str:
    attributes = {"Policy": open_policy(LOCATION.arn("sqs", name))}
    return str(ministack.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def test_topic_must_exist_and_be_notified(bucket: Bucket) -> None:
    assert f"refused: acme-drops: the topic {TOPIC} does not exist" in bucket.found(BY_TOPIC)
    bucket.ministack.client("sns").create_topic(Name="news")
    assert "Uploads to acme-drops do not reach the bot: the bucket does not notify the topic news." in bucket.found(BY_TOPIC)
    bucket.notify(TopicConfigurations=[{"Id": "1", "TopicArn": TOPIC, "Events": [CREATED]}])
    assert bucket.found(BY_TOPIC).startswith("acme-drops: uploads reach the bot through the topic news")


def test_queue_must_exist_have_time_and_no_other_reader(bucket: Bucket) -> None:
    assert f"refused: acme-drops: the queue {QUEUE} does not exist" in bucket.found(BY_QUEUE)
    queues = bucket.ministack.client("sqs")
    url = queues.create_queue(QueueName="jobs")["QueueUrl"]
    bucket.notify(QueueConfigurations=[{"Id": "1", "QueueArn": QUEUE, "Events": [CREATED]}])
    assert "a visibility timeout of 30 s" in bucket.found(BY_QUEUE)
    queues.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "360"})
    assert bucket.found(BY_QUEUE).startswith("acme-drops: uploads reach the bot through the queue jobs")
    make_role(bucket.ministack)
    for name in ("dropnote-dev-uploads_queue_jobs", "worker"):
        assert "refused" not in bucket.found(BY_QUEUE)
        read_by(bucket.ministack, name)
    assert "the queue jobs is already read by worker." in bucket.found(BY_QUEUE)
    assert "take messages away from it" in bucket.found(BY_QUEUE)


def read_by(ministack: MiniStack, name: str) -> None:
    """Let a function read the queue."""
    role = "arn:aws:iam::000000000000:role/any"
    client = ministack.client("lambda")
    client.create_function(
        FunctionName=name, Runtime="python3.11", Role=role, Handler="a.b", Code={"ZipFile": b"PK\x05\x06" + bytes(18)}
    )
    client.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)


def test_unreadable_notifications_are_a_warning(bucket: Bucket) -> None:
    class Denied:
        def get_bucket_notification_configuration(self, **_: str) -> Any:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetBucketNotificationConfiguration")

    (plan,) = BucketSetup(lambda service: Denied(), settings_for(), LOCATION, {}).plans()
    assert "could not be read (AccessDenied); allow s3:GetBucketNotification" in plan.warnings[0]


def test_status_after_a_deploy_names_the_way_or_the_problem(bucket: Bucket) -> None:
    setup = bucket.setup()
    assert "no entry for dropnote-dev-upload_acme_drops" in next(setup.status())
    bucket.notify(LambdaFunctionConfigurations=[{"LambdaFunctionArn": OURS, "Events": [CREATED]}])
    assert list(setup.status()) == ["acme-drops: uploads reach the bot directly"]
    bucket.notify(EventBridgeConfiguration={})
    assert list(bucket.setup(settings_for("eventbridge")).status()) == ["acme-drops: uploads reach the bot through EventBridge"]


def run(*arguments: str, typed: str = "") -> Result:
    environment = {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": "token"}
    return CliRunner().invoke(main, ["setup", "--stage", "dev", *arguments], input=typed, env=environment)


def test_proposed_lines_make_set_up_succeed(project: Path, bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    refused = run("--yes", "--set", "UPLOAD_BUCKET=acme-drops")
    assert refused.exit_code == 1
    assert bucket.ministack.client("cloudformation").list_stacks()["StackSummaries"] == []
    lines = [line.strip() for line in refused.output.splitlines()]
    proposal = lines[lines.index("[[buckets]]") : lines.index("[[buckets]]") + 3]
    with (project / "chalicelib" / "dropnote.toml").open("a") as file:
        file.write("\n" + "\n".join(proposal) + "\n")
    accepted = run("--yes", "--set", "UPLOAD_BUCKET=acme-drops")
    assert accepted.exit_code == 0, accepted.output
    assert "acme-drops: EventBridge is on; its 3 other notifications are unchanged." in accepted.output
    assert bucket.configuration() == {**FOREIGN, "EventBridgeConfiguration": {}}
    policies = {file.stem for file in (project / ".chalice" / "policies" / "dev").glob("*.json")}
    assert "upload_events" in policies
    assert "upload_acme_drops" not in policies
    removed = CliRunner().invoke(main, ["remove", "--stage", "dev", "--yes"])
    assert "kept: EventBridge stays on for the bucket acme-drops" in removed.output
    assert bucket.configuration() == {**FOREIGN, "EventBridgeConfiguration": {}}


def test_declined_switch_leaves_the_bucket_as_it_is(project: Path, bucket: Bucket) -> None:
    bucket.notify(**FOREIGN)
    with (project / "chalicelib" / "dropnote.toml").open("a") as file:
        file.write('\n[[buckets]]\nname = "${UPLOAD_BUCKET}"\ntrigger = "eventbridge"\n')
    config = project / ".chalice" / "config.json"
    config.write_text(config.read_text().replace("acme-drops-dev", "acme-drops"))
    result = run(typed="n\n")
    assert (result.exit_code, "EventBridge is off and will be switched on" in result.output) == (1, True), result.output
    assert bucket.configuration() == FOREIGN
