"""A typical tutorial bot: imports everything at the top, boto3 in its zip, no ledger. Duplicate events send duplicate mails."""

import os
from typing import Any

import boto3
from chalice import Chalice  # type: ignore[attr-defined]
from jinja2 import Template
from twilio.rest import Client

app = Chalice(app_name="tutorial")
ses = boto3.client("ses")
twilio = Client(os.environ.get("TWILIO_ACCOUNT_SID", "AC0"), os.environ.get("TWILIO_AUTH_TOKEN", "none"))
page = Template("<p><b>{{ key }}</b> arrived in {{ bucket }}.</p>", autoescape=True)


@app.on_s3_event(bucket="acme-drops", events=["s3:ObjectCreated:*"])
def on_upload(event: Any) -> None:
    """Send the mail about an upload."""
    ses.send_email(
        Source="drops@example.com",
        Destination={"ToAddresses": ["asha@example.com"]},
        Message={
            "Subject": {"Data": f"{event.key} arrived"},
            "Body": {
                "Text": {"Data": f"{event.key} arrived in {event.bucket}."},
                "Html": {"Data": page.render(key=event.key, bucket=event.bucket)},
            },
        },
    )
