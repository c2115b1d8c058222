"""The same job with AWS Lambda Powertools: its idempotency keeps the ledger.

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
    """Tell of every record that nobody has told of."""
    config.register_lambda_context(context)
    for record in event["Records"]:
        tell(record=record)


@idempotent_function(data_keyword_argument="record", config=config, persistence_store=ledger)  # type: ignore[untyped-decorator]
def tell(record: Any) -> str:
    """Send one object's mail."""
    bucket, thing = record["s3"]["bucket"]["name"], record["s3"]["object"]
    name = unquote_plus(thing["key"])
    sent = ses.send_email(
        FromEmailAddress="drops@example.com",
        Destination={"ToAddresses": ["asha@example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": f"{name} arrived ({thing['size']} bytes)"},
                "Body": {
                    "Text": {"Data": f"{name} arrived in {bucket}.\n\nSize: {thing['size']} bytes\n"},
                    "Html": {"Data": f"<p><b>{name}</b> arrived in {bucket}.</p><p>Size: {thing['size']} bytes</p>"},
                },
            }
        },
    )
    return str(sent["MessageId"])
