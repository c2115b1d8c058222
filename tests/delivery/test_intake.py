"""Intake: records are independent; unreadable payloads are parked, failed records redelivered, and poison records end."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.budget import ScopeLimits
from chalicelib.domain.delivery import Delivery
from chalicelib.domain.event import Batch
from chalicelib.sources.queues import parse_queue_records, unwrap
from chalicelib.store.dead_letters import DeadLetterQueue
from chalicelib.store.ledger import NO_LIMITS
from chalicelib.store.rows import Parked
from tests.support.payloads import TEST_EVENT, bus_event, s3_notification, s3_record
from tests.support.stages import Stage, memory_stage, plenty
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

UPLOAD = s3_notification(s3_record("in/a b.txt"))


def topic_message(payload: object) -> dict[str, Any]:
    """Amazon SNS developer guide, "HTTP/HTTPS notification JSON format", also what a subscribed queue gets."""
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": json.dumps(payload)}


def topic_event(payload: object) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {"Message": json.dumps(payload)}}]}


def queue_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{n}", "eventSource": "aws:sqs", "body": body} for n, body in enumerate(bodies)]}


def failure_record(payload: object) -> dict[str, Any]:
    """AWS Lambda developer guide, "Adding a destination"."""
    return {
        "version": "1.0",
        "timestamp": "2026-03-02T12:06:00.000Z",
        "requestContext": {"requestId": "e4b46cbf", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "it failed"},
    }


@pytest.mark.parametrize(
    "payload",
    [
        UPLOAD,
        json.dumps(UPLOAD),
        topic_message(UPLOAD),
        topic_event(UPLOAD),
        queue_event(json.dumps(UPLOAD)),
        queue_event(json.dumps(topic_message(UPLOAD))),
        failure_record(UPLOAD),
        failure_record(queue_event(json.dumps(topic_message(UPLOAD)))),
        UPLOAD["Records"][0],
    ],
)
def test_upload_is_found_in_every_envelope(payload: object) -> None:
    batch = unwrap(payload)
    assert [event.upload.key for event in batch.events if event.upload] == ["in/a b.txt"]
    assert batch.unknown == ()


def test_bus_event_in_a_queue_keeps_its_key_as_it_is() -> None:
    batch = unwrap(queue_event(json.dumps(bus_event("in/a+b%20c.txt"))))
    assert [event.upload.key for event in batch.events if event.upload] == ["in/a+b%20c.txt"]


def test_s3_test_event_in_a_queue_is_ignored() -> None:
    assert unwrap(queue_event(json.dumps(TEST_EVENT))) == Batch(ignored=("s3:TestEvent",))


@pytest.mark.parametrize("payload", ["", "{", None, 7, [], {"Records": [7]}, {"requestContext": {}, "requestPayload": 1}])
def test_unknown_payload_is_returned_and_not_raised(payload: object) -> None:
    assert len(unwrap(payload).unknown) == 1


def test_deeply_nested_envelopes_are_not_opened() -> None:
    payload: object = UPLOAD
    for _ in range(9):
        payload = failure_record(payload)
    assert "envelopes" in unwrap(payload).unknown[0].why


def test_failed_record_is_redelivered_and_the_others_are_not() -> None:
    stage = memory_stage()
    insert = stage.ledger.insert

    def fail_for_b(delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> Delivery:
        if delivery.event.upload and delivery.event.upload.key == "in/b.txt":
            raise ConnectionError("DynamoDB is out of reach")
        return insert(delivery, limits)  # type: ignore[no-any-return]

    stage.ledger.insert = fail_for_b
    bodies = [json.dumps(s3_notification(s3_record(f"in/{name}.txt", sequencer=name))) for name in "abc"]
    records = parse_queue_records(queue_event(*bodies, "poison"))
    assert stage.bot.take_records(records, plenty) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    stage.ledger.insert = insert
    assert stage.bot.take_records(records, plenty) == {"batchItemFailures": []}
    assert sorted(text.message.text[12:17] for text in stage.text.accepted) == ["a.txt", "b.txt", "c.txt"]
    (parked,) = [row for row in stage.all_rows() if isinstance(row, Parked)]
    assert (b"poison" in parked.payload, parked.why) == (True, "its text is not JSON")


@pytest.fixture
def queue(ministack: MiniStack) -> DeadLetterQueue:
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return DeadLetterQueue(lambda: ministack.client("sqs"), "dropnote-prod-dead-events", timedelta(minutes=2))


def put(queue: DeadLetterQueue, *texts: str) -> None:
    for text in texts:
        queue._client.send_message(QueueUrl=queue._url, MessageBody=text)


def remaining(queue: DeadLetterQueue) -> int:
    attributes = queue._client.get_queue_attributes(QueueUrl=queue._url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def stage_with(queue: DeadLetterQueue) -> Stage:
    stage = memory_stage()
    stage.bot._dead_letters = queue
    return stage


def test_sweep_handles_dead_lettered_events(queue: DeadLetterQueue) -> None:
    stage = stage_with(queue)
    put(queue, json.dumps(failure_record(UPLOAD)), json.dumps(failure_record(bus_event("in/a b.txt"))), "not ours")
    stage.sweep()
    # ben, the owner, is notified of the unreadable event
    assert sorted(stage.addresses()) == ["+919812345678", "asha@example.com", "ben@example.com"]
    assert remaining(queue) == 0


def test_dead_lettered_event_that_keeps_failing_is_parked(queue: DeadLetterQueue) -> None:
    queue._visibility_s = 0
    stage = stage_with(queue)
    put(queue, json.dumps(failure_record(UPLOAD)))
    insert = stage.ledger.insert

    def fail_for_uploads(delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> Delivery:
        if delivery.rule == "uploads":
            raise RuntimeError("poison")
        return insert(delivery, limits)  # type: ignore[no-any-return]

    stage.ledger.insert = fail_for_uploads
    stage.sweep()
    (parked,) = [row for row in stage.all_rows() if isinstance(row, Parked)]
    assert ("failed 5 times" in parked.why, remaining(queue)) == (True, 0)


def test_queue_is_not_read_when_time_is_short(queue: DeadLetterQueue) -> None:
    stage = stage_with(queue)
    put(queue, json.dumps(failure_record(UPLOAD)))
    stage.sweep(lambda: timedelta(seconds=16))
    assert (stage.sent, remaining(queue)) == ([], 1)
