"""What freshness reads: items, metrics and listings of objects, and what happens if that fails."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.domain.monitor import ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.freshness.item_and_metric import shortest_period
from tests.monitors.freshness.stories import AGE, ETL, ITEM, MB, METRIC, AwsDouble, Story, check, etl, without
from tests.policy.zones import utc
from workbench.local.ministack import MiniStack


@pytest.mark.parametrize(
    "value",
    [
        {"S": "2026-03-02T06:20:00+05:30"},
        {"S": "2026-03-02T00:50:00Z"},
        {"S": "2026-03-02T00:50:00"},
        {"N": "1772412600"},
        {"N": "1772412600000"},
    ],
)
def test_item_has_arrived_when_its_time_is_after_the_previous_due_time(value: dict[str, str]) -> None:
    story = Story(check(ITEM), utc("2026-03-01 12:00"))
    story.run_check()
    story.until("2026-03-02 00:30")
    story.aws.items["feed#orders"] = {"pk": {"S": "feed#orders"}, "updated_at": {"S": "2026-03-01T00:30:00Z"}}
    story.until("2026-03-02 00:49")
    story.aws.items["feed#orders"]["updated_at"] = value
    story.until("2026-03-02 01:00")
    assert story.sent == [
        "02 00:30 opened error: feed#orders in feeds is missing; it was due at 06:00 IST",
        "02 00:50 resolved ok: feed#orders in feeds arrived 20 minutes late",
    ]


def test_item_older_than_the_limit_is_reported() -> None:
    story = Story(check(without(ITEM, "expect"), newest="6h"), utc("2026-03-02 12:00"))
    story.aws.items["feed#orders"] = {"pk": {"S": "feed#orders"}, "updated_at": {"S": "2026-03-02"}}
    assert story.run_check().message == "the newest feed#orders in feeds is 12 hours old (limit: 6 hours)"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({}, "the item has no updated_at"),
        ({"updated_at": {"S": "yesterday"}}, "updated_at is not a time"),
        ({"updated_at": {"BOOL": True}}, "updated_at is not a time"),
        ({"updated_at": {"N": "1e300"}}, "updated_at is not a time"),
    ],
)
def test_item_without_a_time_cannot_be_read(item: dict[str, Any], why: str) -> None:
    story = Story(check(ITEM), utc("2026-03-01 12:00"))
    story.aws.items["feed#orders"] = {"pk": {"S": "feed#orders"}, **item}
    with pytest.raises(ProbeError, match=f"^{why}$"):
        story.run_check()


def test_metric_has_arrived_when_its_sum_since_the_previous_due_time_is_positive() -> None:
    story = Story(check(METRIC), utc("2026-03-01 12:00"))
    story.aws.points = [(utc("2026-03-01 00:29"), 5.0), (utc("2026-03-01 00:31"), 0.0)]
    story.run_check()
    assert story.until("2026-03-02 00:30") == [
        "02 00:30 opened error: Acme/Feeds/Rows of FeedName orders is missing; it was due at 06:00 IST"
    ]
    story.aws.points.append((utc("2026-03-02 00:40"), 0.5))
    assert story.until("2026-03-02 00:50") == ["02 00:45 resolved ok: Acme/Feeds/Rows of FeedName orders arrived 10 minutes late"]
    request = story.aws.requests[-1]
    assert (request["Namespace"], request["MetricName"], request["Statistics"]) == ("Acme/Feeds", "Rows", ["Sum"])
    assert request["Dimensions"] == [{"Name": "FeedName", "Value": "orders"}]


def test_metric_must_reach_the_minimum_count() -> None:
    story = Story(check(METRIC, files=1000), utc("2026-03-01 12:00"))
    story.run_check()
    story.aws.points = [(utc("2026-03-02 00:10"), 400.0), (utc("2026-03-02 00:20"), 400.0)]
    assert story.until("2026-03-02 00:30") == [
        "02 00:30 opened error: only 800 of 1,000 arrived: Acme/Feeds/Rows of FeedName orders was due at 06:00 IST"
    ]


def test_metric_has_a_maximum_age() -> None:
    story = Story(check(without(METRIC, "expect"), newest="6h"), utc("2026-03-02 12:00"))
    assert story.run_check().message == "no Acme/Feeds/Rows of FeedName orders arrived in the last 6 hours"
    story.aws.points = [(utc("2026-03-02 07:00"), 1.0)]
    assert story.run_check().level is Level.OK


@pytest.mark.parametrize("days", [1, 7, 15, 31, 63, 92, 366])
def test_period_of_a_metric_fits_one_cloudwatch_response(days: int) -> None:
    now = utc("2026-03-02 12:00:30")
    seconds = shortest_period(now - timedelta(days=days), now)
    assert seconds % (60 if days < 15 else 300 if days < 63 else 3600) == 0
    assert timedelta(days=days) / timedelta(seconds=seconds) <= 1439


@pytest.mark.parametrize("raw", [ETL, ITEM, METRIC, AGE])
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:aws:iam::1:u"}}, "Any"),
            "AWS returned AccessDenied",
        ),
        (EndpointConnectionError(endpoint_url="https://secret.example"), r"no response from AWS \(EndpointConnectionError\)"),
    ],
)
def test_aws_error_cannot_be_read(raw: dict[str, Any], error: Exception, why: str) -> None:
    story = Story(check(raw), utc("2026-03-02 12:00"), aws=AwsDouble(error=error))
    with pytest.raises(ProbeError, match=f"^{why}$"):
        story.run_check()


def test_listing_without_time_left_cannot_be_read() -> None:
    with pytest.raises(ProbeError, match="no time left to list the objects"):
        check(ETL).probe(ProbeContext(AwsDouble().client, lambda: timedelta(0)), utc("2026-03-02 12:00"), {})


def test_listing_stops_after_ten_thousand_keys_and_says_so() -> None:
    story = etl(files=100)
    for number in range(10_001):
        story.put(f"etl/2026-03-02/part-{number:05}.{'parquet' if number < 50 else 'tmp'}", MB, at="2026-03-02 00:10")
    story.aws.requests.clear()
    story.until("2026-03-02 00:30")
    result = story.state.result
    assert result
    assert result.level is Level.UNKNOWN
    assert result.message.startswith("cannot be read: more than 10,000 keys start like etl/2026-03-02/part-*.parquet up to")
    assert len(story.aws.requests) == 10


def test_ten_thousand_keys_may_be_enough() -> None:
    story = etl(files=100)
    for number in range(10_001):
        story.put(f"etl/2026-03-02/part-{number:05}.parquet", 1, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == []
    assert story.state.result
    assert story.state.result.message == "etl/2026-03-02/ arrived, at least 10,000 files, 9.8 KB"


def test_exactly_ten_thousand_keys_are_a_complete_listing() -> None:
    story = etl(files=10_001)
    for number in range(10_000):
        story.put(f"etl/2026-03-02/part-{number:05}.parquet", 1, at="2026-03-02 00:10")
    assert "only 10,000 of 10,001 files arrived" in story.until("2026-03-02 00:30")[0]


def test_objects_are_listed_in_s3_page_by_page(ministack: MiniStack) -> None:
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket="acme-drops")
    for number in range(1_003):
        s3.put_object(Bucket="acme-drops", Key=f"etl/2026-03-02/part-{number:04} {{x}}+.parquet", Body=b"x" * (number % 2))
    s3.put_object(Bucket="acme-drops", Key="etl/2026-03-02/_SUCCESS", Body=b"")
    s3.put_object(Bucket="acme-drops", Key="etl/2026-03-03/part-0.parquet", Body=b"other")
    context = ProbeContext(lambda service: ministack.client(service), lambda: timedelta(minutes=1))
    observation = check(ETL).probe(context, utc("2026-03-02 00:31"), {})
    arrivals = observation.arrivals
    assert (len(arrivals), sum(size for _, size in arrivals), observation.truncated) == (1_003, 501, False)
    assert all(at.tzinfo is UTC for at, _ in arrivals)
    with pytest.raises(ProbeError, match=r"^AWS returned NoSuchBucket$"):
        check(ETL, bucket="nobodys-bucket").probe(context, utc("2026-03-02 00:31"), {})


def test_item_is_read_from_dynamodb(ministack: MiniStack) -> None:
    dynamodb = ministack.client("dynamodb")
    dynamodb.create_table(
        TableName="feeds",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    context = ProbeContext(lambda service: ministack.client(service), lambda: timedelta(minutes=1))
    item_check = check(without(ITEM, "expect"), newest="6h")
    assert item_check.probe(context, utc("2026-03-02 12:00"), {}).arrivals == ()
    dynamodb.put_item(TableName="feeds", Item={"pk": {"S": "feed#orders"}})
    with pytest.raises(ProbeError, match="the item has no updated_at"):
        item_check.probe(context, utc("2026-03-02 12:00"), {})
    dynamodb.put_item(TableName="feeds", Item={"pk": {"S": "feed#orders"}, "updated_at": {"N": "1772412600"}})
    assert item_check.probe(context, utc("2026-03-02 12:00"), {}).arrivals == ((utc("2026-03-02 00:50"), 1),)
