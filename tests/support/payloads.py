"""Payloads as AWS documents them: Amazon S3 user guide, "Event message structure" and "EventBridge event message structure"."""

from typing import Any
from urllib.parse import quote_plus


def s3_record(
    key: str = "in/report.pdf", *, name: str = "ObjectCreated:Put", version: str = "2.1", **fields: Any
) -> dict[str, Any]:
    """One record of an S3 notification; `fields` replaces fields of its object."""
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": "us-west-2",
        "eventTime": "2026-03-02T12:00:00.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "AWS:AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.3"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {
                "name": "acme-drops",
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": "arn:aws:s3:::acme-drops",
            },
            "object": {
                # S3 leaves "/" as it is
                "key": quote_plus(key, safe="/"),
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5",
                **fields,
            },
        },
    }


def s3_notification(*records: dict[str, Any]) -> dict[str, Any]:
    """The payload a function receives from S3."""
    return {"Records": list(records)}


def bus_event(key: str = "in/report.pdf", *, reason: str = "PutObject", **fields: Any) -> dict[str, Any]:
    """The payload a function receives from EventBridge."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-03-02T12:00:00Z",
        "region": "us-west-2",
        "resources": ["arn:aws:s3:::acme-drops"],
        "detail": {
            "version": "0",
            "bucket": {"name": "acme-drops"},
            "object": {
                "key": key,
                "size": 1024,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5",
                **fields,
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "192.0.2.3",
            "reason": reason,
        },
    }


TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-03-02T12:00:00.000Z",
    "Bucket": "acme-drops",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
