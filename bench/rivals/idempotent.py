"""The same bot with AWS Lambda Powertools, whose idempotency replaces the ledger.

Source: Powertools for AWS Lambda (Python), "Idempotency".
"""

import os
from typing import Any
from urllib.parse import unquote_plus

import boto3
from aws_lambda_powertools.utilities.idempotency import (  # type: ignore[import-not-found]
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)

ses = boto3.client("sesv2")
ledger = DynamoDBPersistenceLayer(table_name=os.environ["LEDGER"], key_attr="pk", sort_key_attr="sk")
config = IdempotencyConfig(event_key_jmespath="s3.[bucket.name, object.key, object.sequencer]", expires_after_seconds=86_400)


def on_upload(event: Any, context: Any) -> None:
    """Notify about every record once."""
    config.register_lambda_context(context)
    for record in event["Records"]:
        notify(record=record)


@idempotent_function(data_keyword_argument="record", config=config, persistence_store=ledger)  # type: ignore[untyped-decorator]
def notify(record: Any) -> str:
    """Send an object's mail."""
    bucket, object_ = record["s3"]["bucket"]["name"], record["s3"]["object"]
    name = unquote_plus(object_["key"])
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
    return str(sent["MessageId"])
