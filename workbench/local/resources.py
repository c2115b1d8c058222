"""What an account has before a stage is set up, put into the local one; and its tables alone, for tests."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..deployment.stack import Stack
from .ministack import MiniStack


def apply_stack(ministack: MiniStack, template: Path, stage: str) -> dict[str, str]:
    """Make the CloudFormation stack of a stage; gives its outputs.

    Raises:
        StackError: it could not be made.
    """
    stack = Stack(ministack.client("cloudformation"), stage, pause_s=0.02, timeout_s=60.0)
    stack.execute(stack.plan(template, {"Stage": stage}))
    return stack.outputs()


def make_bucket(ministack: MiniStack, bucket: str) -> None:
    """A bucket that also tells EventBridge what happens in it."""
    client = ministack.client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def put_secrets(ministack: MiniStack, prefix: str, secrets: Mapping[str, str]) -> None:
    """SecureString parameters `<prefix><name>`."""
    for name, value in secrets.items():
        ministack.client("ssm").put_parameter(Name=f"{prefix}{name}", Value=value, Type="SecureString")


def verify_sender(ministack: MiniStack, address: str) -> None:
    """Let SES send from the address; it refuses senders nobody verified."""
    if address:
        ministack.client("sesv2").create_email_identity(EmailIdentity=address)


def make_table(ministack: MiniStack, name: str) -> None:
    """A table of the user's own whose changes a rule is on, where there is none: by `id`, with a stream."""
    client = ministack.client("dynamodb")
    with suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
