"""Creates the AWS resources that a stage expects before set-up, and a stage's stack on its own, for tests and the bench."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chalicelib.domain.settings import BucketSettings

from ..deployment.stack import Stack
from .ministack import REGION, MiniStack


def apply_stack(ministack: MiniStack, template: Path, stage: str) -> dict[str, str]:
    """Create the CloudFormation stack of a stage. Return its outputs.

    Raises:
        StackError: it could not be created.
    """
    stack = Stack(ministack.client("cloudformation"), stage, pause_s=0.02, timeout_s=60.0)
    stack.execute(stack.plan(template, {"Stage": stage}))
    return stack.outputs()


def make_bucket(ministack: MiniStack, bucket: str) -> None:
    """Create a bucket that also notifies EventBridge."""
    client = ministack.client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def notify_source(ministack: MiniStack, bucket: BucketSettings) -> None:
    """Let a bucket notify the topic or queue of its settings, as its owner has done; creates them. Does nothing without one."""
    arn, client = bucket.topic or bucket.queue, ministack.client("s3")
    if not arn:
        return
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    name = arn.rpartition(":")[2]
    entry = {"Events": ["s3:ObjectCreated:*"]}
    if bucket.topic:
        ministack.client("sns").create_topic(Name=name, Attributes={"Policy": policy})
        notifications = {"TopicConfigurations": [{"TopicArn": arn, **entry}]}
    else:
        attributes = {"VisibilityTimeout": "360", "Policy": policy}
        ministack.client("sqs").create_queue(QueueName=name, Attributes=attributes)
        notifications = {"QueueConfigurations": [{"QueueArn": arn, **entry}]}
    client.put_bucket_notification_configuration(Bucket=bucket.name, NotificationConfiguration=notifications)


def put_secrets(ministack: MiniStack, prefix: str, secrets: Mapping[str, str]) -> None:
    """Store secrets as SecureString parameters named `<prefix><name>`."""
    for name, value in secrets.items():
        ministack.client("ssm").put_parameter(Name=f"{prefix}{name}", Value=value, Type="SecureString")


def verify_sender(ministack: MiniStack, address: str, region: str = REGION) -> None:
    """Verify an address in SES, which rejects unverified senders, unless it is verified."""
    client = ministack.client("sesv2", region)
    with suppress(client.exceptions.AlreadyExistsException):
        if address:
            client.create_email_identity(EmailIdentity=address)


def make_table(ministack: MiniStack, name: str) -> None:
    """Create a table like a user's own, with the key `id` and a stream, unless it exists."""
    client = ministack.client("dynamodb")
    with suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )


def make_role(ministack: MiniStack, name: str = "any") -> str:
    """Create a role that Lambda may assume, without permissions. Returns its ARN."""
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(ministack.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
