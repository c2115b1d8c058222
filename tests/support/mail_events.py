"""Events of SES as its developer guide has them ("Examples of event data …"), with our tag, and as SNS invokes a function."""

import json
from typing import Any

TOPIC = "arn:aws:sns:us-east-1:123456789012:dropnote-prod-mail-events"
VALIDATION = "Successfully validated SNS topic for Amazon SES event publishing."  # what SES publishes first

_DETAILS: dict[str, dict[str, Any]] = {
    "Bounce": {
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": "recipient@example.com",
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "timestamp": "2017-08-05T00:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "reportingMTA": "dsn; mta.example.com",
        }
    },
    "Complaint": {
        "complaint": {
            "complainedRecipients": [{"emailAddress": "recipient@example.com"}],
            "timestamp": "2017-08-05T00:41:02.669Z",
            "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
            "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
            "complaintFeedbackType": "abuse",
            "arrivalDate": "2017-08-05T00:41:02.669Z",
        }
    },
    "Delivery": {
        "delivery": {
            "timestamp": "2016-10-19T23:21:04.133Z",
            "processingTimeMillis": 11893,
            "recipients": ["recipient@example.com"],
            "smtpResponse": "250 2.6.0 Message received",
            "reportingMTA": "mta.example.com",
        }
    },
    "Send": {"send": {}},
    "Reject": {"reject": {"reason": "Bad content"}},
}


def mail_event(type_: str, delivery: str, message: str = "email-1", **details: Any) -> dict[str, Any]:
    """An event about a delivery's mail; `details` replaces fields of its bounce or complaint."""
    tags = {
        "ses:configuration-set": ["ConfigSet"],
        "ses:source-ip": ["192.0.2.0"],
        "ses:from-domain": ["example.com"],
        "ses:caller-identity": ["ses_user"],
        **({"dropnote-delivery": [delivery]} if delivery else {}),
    }
    mail = {
        "timestamp": "2017-08-05T00:40:02.012Z",
        "source": "Sender Name <sender@example.com>",
        "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
        "sendingAccountId": "123456789012",
        "messageId": message,
        "destination": ["recipient@example.com"],
        "headersTruncated": False,
        "headers": [{"name": "From", "value": "Sender Name <sender@example.com>"}],
        "commonHeaders": {"from": ["Sender Name <sender@example.com>"], "subject": "Message sent from Amazon SES"},
        "tags": tags,
    }
    detail = {name: {**value, **details} for name, value in _DETAILS[type_].items()}
    return {"eventType": type_, "mail": mail, **detail}


def from_sns(*events: dict[str, Any] | str, topic: str = TOPIC, source: str = "aws:sns") -> dict[str, Any]:
    """A function's payload (AWS Lambda developer guide, "Invoking Lambda functions with Amazon SNS notifications")."""
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{topic}:21be56ed-a058-49f5-8c98-aedd2564c486",
                "EventSource": source,
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": "2019-01-02T12:45:07.000Z",
                    "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa/ebXEkAi6RibDsvpi+tE/1+82j...65r==",
                    "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-ac565b8b1a6c5d002d285f9598aa1d9b.pem",
                    "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
                    "Message": event if isinstance(event, str) else json.dumps(event),
                    "MessageAttributes": {},
                    "Type": "Notification",
                    "TopicArn": topic,
                    "Subject": "Amazon SES Email Event Notification",
                },
            }
            for event in events
        ]
    }
