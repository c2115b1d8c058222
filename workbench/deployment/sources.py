"""Checks the topic or queue that reports a bucket's uploads: `chalice deploy` would fail, or take messages from somebody else.

Source: AWS Lambda developer guide, "Using Lambda with Amazon SQS" (the visibility timeout must not be shorter than the function's
timeout); Amazon SQS API reference, "GetQueueUrl"; Amazon SNS API reference, "GetTopicAttributes".
"""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import BucketSettings, Settings, Trigger
from chalicelib.platform.function_names import queue_function

from .grants import APP, StageLocation

Client = Callable[[str], Any]  # boto3.client
FUNCTION_S = 60  # lambda_timeout in .chalice/config.json
_MISSING = ("NotFound", "QueueDoesNotExist", "NonExistentQueue")
_DENIED = ("AccessDenied", "AuthorizationError")


def source_refusals(client: Client, settings: Settings, bucket: str, location: StageLocation) -> Iterator[str]:
    """Why set-up must not go on with a bucket's topic or queue."""
    chosen = settings.bucket(bucket)
    try:
        if chosen.trigger is Trigger.TOPIC:
            client("sns").get_topic_attributes(TopicArn=chosen.topic)
        else:
            yield from _queue_refusals(client, chosen, location)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if any(name in code for name in _MISSING):
            source = chosen.topic or chosen.queue
            yield f"{bucket}: the {chosen.trigger} {source} does not exist; create it, or correct its ARN in dropnote.toml"
        elif not any(name in code for name in _DENIED):  # a source of another account may only allow what Lambda needs
            raise


def _queue_refusals(client: Client, chosen: BucketSettings, location: StageLocation) -> Iterator[str]:
    *_, account, name = chosen.queue.split(":")
    queues = client("sqs")
    url = queues.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    if (timeout := int(attributes["VisibilityTimeout"])) < FUNCTION_S:
        yield (
            f"{chosen.name}: the queue {name} has a visibility timeout of {timeout} s, and Lambda requires at least that of the "
            f"function, {FUNCTION_S} s. Six times that is usual: "
            f"aws sqs set-queue-attributes --queue-url {url} --attributes VisibilityTimeout={6 * FUNCTION_S}"
        )
    mappings = client("lambda").list_event_source_mappings(EventSourceArn=chosen.queue)["EventSourceMappings"]
    ours = f":function:{APP}-{location.stage}-{queue_function(chosen.queue)}"
    readers = [mapping["FunctionArn"].rpartition(":")[2] for mapping in mappings if not mapping["FunctionArn"].endswith(ours)]
    if readers:
        yield (
            f"{chosen.name}: the queue {name} is already read by {' and '.join(readers)}. Each message of a queue goes to only "
            'one reader, so Dropnote would take messages away from it. Use trigger = "eventbridge", or a queue of its own'
        )
