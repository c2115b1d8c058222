"""The minimal bot that notifies once per upload: claim, send, mark, with boto3 only and clients created at the start."""

import os
import time
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError

TABLE = os.environ["LEDGER"]
dynamodb, ses = boto3.client("dynamodb"), boto3.client("sesv2")


def on_upload(event: Any, context: Any) -> None:
    """Notify about every record once."""
    for record in event["Records"]:
        notify(record["s3"]["bucket"]["name"], record["s3"]["object"])


def notify(bucket: str, object_: Any) -> None:
    """Claim an object in the table, send its mail, mark it as sent."""
    key, name, claim = (
        {"pk": {"S": f"{bucket}/{object_['sequencer']}"}, "sk": {"S": "told"}},
        unquote_plus(object_["key"]),
        uuid4().hex,
    )
    try:
        dynamodb.put_item(
            TableName=TABLE,
            Item={**key, "state": {"S": "claimed"}, "claim": {"S": claim}, "ttl": {"N": str(int(time.time()) + 86_400)}},
            ConditionExpression="attribute_not_exists(pk)",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return
        raise
    sent = ses.send_email(
        FromEmailAddress="drops@example.com",
        Destination={"ToAddresses": ["asha@example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": f"{name} arrived ({object_['size']} bytes)"},
                "Body": {
                    "Text": {"Data": f"{name} arrived in {bucket}.\n\nSize: {object_['size']} bytes\n"},
                    "Html": {"Data": f"<p><b>{name}</b> arrived in {bucket}.</p><p>Size: {object_['size']} bytes</p>"},
                },
            }
        },
    )
    dynamodb.update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET #state = :sent, receipt = :receipt",
        ConditionExpression="claim = :claim",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":sent": {"S": "sent"}, ":receipt": {"S": sent["MessageId"]}, ":claim": {"S": claim}},
    )
