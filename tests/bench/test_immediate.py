"""The stub of AWS that responds immediately: how it reads requests, and that botocore accepts its responses."""

from typing import Any

import pytest
from botocore.session import Session

from bench.cold.immediate import immediate_aws, next_request, response_to

REQUEST = b"POST /v2/email/outbound-emails HTTP/1.1\r\nHost: aws\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize("length", [0, 40, len(REQUEST) - 5, len(REQUEST) - 1])
def test_incomplete_request_waits_for_the_rest(length: int) -> None:
    assert next_request(REQUEST[:length]) is None


def test_requests_of_one_connection_are_separated() -> None:
    assert next_request(REQUEST + REQUEST) == (b"/v2/email/outbound-emails", REQUEST)
    assert next_request(b"GET / HTTP/1.1\r\n\r\n") == (b"/", b"")


def test_each_mail_has_an_id_of_its_own() -> None:
    first, second = (response_to(b"/v2/email/outbound-emails", number) for number in (1, 2))
    assert first != second
    assert b"MessageId" in first


def client_of(service: str, endpoint: str) -> Any:
    session = Session()
    session.set_credentials("key", "secret")
    return session.create_client(service, region_name="us-east-1", endpoint_url=endpoint)


def test_botocore_accepts_the_responses() -> None:
    with immediate_aws() as endpoint:
        dynamodb, ses = client_of("dynamodb", endpoint), client_of("sesv2", endpoint)
        stored = dynamodb.put_item(TableName="table", Item={"pk": {"S": "x" * 100_000}})
        assert stored["ResponseMetadata"]["RetryAttempts"] == 0  # so the checksum is right
        assert "Item" not in dynamodb.get_item(TableName="table", Key={"pk": {"S": "x"}})
        assert ses.send_email(Content={"Simple": {"Subject": {"Data": "s"}, "Body": {}}})["MessageId"]
