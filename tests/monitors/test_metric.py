"""Monitors of CloudWatch's metrics: conditions in words, what points amount to, and many asked for by few requests."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as some
from moto import mock_aws

from chalicelib.events import Level
from chalicelib.monitors import Reach, Unreadable
from chalicelib.monitors.conditions import Condition, parse, shown, stricter
from chalicelib.monitors.metric import Metric, MonthSum, Points, Query
from chalicelib.monitors.metric_data import look_at_all
from chalicelib.settings import SettingsError
from chalicelib.settings.values import Wrong
from tests.builders import NOON, some_settings
from workbench.ministack import MiniStack

MINUTE, FIVE = timedelta(minutes=1), timedelta(minutes=5)
CPU = Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-1"),))


def metric(**more: Any) -> Metric:
    found: dict[str, Any] = {"what": "cpu of web", "label": "cpu", "queries": (("value", CPU),), "unit": "%", **more}
    return Metric(**found)


def points(*values: float, until: datetime = NOON, period: timedelta = FIVE) -> Points:
    """Values of periods, the last of which has just ended."""
    return tuple((until - (len(values) - place) * period, value) for place, value in enumerate(values))


# conditions


@pytest.mark.parametrize(
    ("text", "unit", "limit", "lasts"),
    [
        ("above 80 % for 15 min", "%", 80, 15),
        ("above 80", "%", 80, None),
        ("below 5 GB", "bytes", 5 * 1024**3, None),
        ("at least 1 for 2 min", "", 1, 2),
        ("above 2 s for 1 h", "ms", 2000, 60),
        ("at most 0.5 %", "%", 0.5, None),
        ("above 500 ms", "s", 0.5, None),
        ("above 20 USD", "USD", 20, None),
    ],
)
def test_conditions_are_read_in_the_metrics_own_unit(text: str, unit: str, limit: float, lasts: int | None) -> None:
    found = parse(text, {}, unit)
    assert (found.limit, found.lasts, str(found)) == (limit, timedelta(minutes=lasts) if lasts else None, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("80 %", "is no condition"),
        ("over 80", "is no condition"),
        ("above 80 GB", "a unit that does not fit; it is in %"),
        ("above 80 % for 90 s", "measures by the minute"),
        ("above", "is no condition"),
        ("heat above 3", "says what is measured twice"),
    ],
)
def test_what_is_no_condition(text: str, told: str) -> None:
    with pytest.raises(Wrong) as wrong:
        parse(text, {}, "%")
    assert told in f"{wrong.value.problem}; {wrong.value.hint}"


def test_unknown_word_names_the_known_ones() -> None:
    with pytest.raises(Wrong) as wrong:
        parse("heat above 80 %", {"cpu": "%", "free storage": "bytes"})
    assert wrong.value.hint == "there are: cpu, free storage"
    assert parse("free storage below 5 GB", {"cpu": "%", "free storage": "bytes"}).word == "free storage"


@given(some.sampled_from(["above", "below", "at least", "at most"]), some.integers(0, 10**6), some.integers(1, 600))
def test_condition_read_and_said_is_the_same(test: str, limit: int, minutes: int) -> None:
    text = f"{test} {limit} for {minutes} min"
    assert str(parse(text, {}, "")) == text
    assert parse(str(parse(text, {}, "")), {}, "") == parse(text, {}, "")


def test_values_are_shown_as_people_read_them() -> None:
    found = [shown(87.4321, "%"), shown(4.5 * 1024**3, "bytes"), shown(21.4, "USD"), shown(1234.5, ""), shown(3, "s")]
    assert found == ["87.4 %", "4.5 GB", "21.40 USD", "1,234", "3 s"]


def test_which_of_two_limits_comes_later() -> None:
    assert stricter(parse("above 90", {}), parse("above 80", {}))
    assert not stricter(parse("above 60", {}), parse("above 80", {}))
    assert stricter(parse("below 3", {}), parse("below 5", {}))


# judgement

HOT = parse("above 80 % for 15 min", {}, "%")


@pytest.mark.parametrize(
    ("values", "level", "says"),
    [
        ((10, 85, 86, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((85, 86, 10), Level.OK, "cpu is 10 %"),
        ((10, 86, 87), Level.OK, "cpu is 87 %"),
        ((85, 86, 70, 90), Level.OK, "cpu is 90 %"),
        ((), Level.UNKNOWN, "cpu has no data"),
    ],
)
def test_it_has_to_last(values: tuple[float, ...], level: Level, says: str) -> None:
    result = metric(error=HOT).judge(points(*values), NOON, {})
    assert (result.level, result.says) == (level, says)


def test_since_is_the_first_point_of_the_run() -> None:
    assert metric(error=HOT).judge(points(10, 85, 85, 85, 85), NOON, {}).since == NOON - 4 * FIVE


def test_period_that_is_not_over_counts_for_nothing_that_has_to_last() -> None:
    running = points(85, 85, 85, 5, until=NOON + 2 * MINUTE)
    assert metric(error=HOT).judge(running, NOON, {}).level is Level.ERROR


@pytest.mark.parametrize(("missing", "level"), [("unknown", Level.UNKNOWN), ("ok", Level.OK), ("error", Level.ERROR)])
def test_missing_data_is_what_the_settings_say(missing: str, level: Level) -> None:
    found = metric(error=HOT, missing=missing).judge((), NOON, {"seen": "2026-03-02T11:50:00+00:00"})
    assert (found.level, found.says) == (level, "cpu has no data since 02 Mar, 11:50 UTC")


def test_it_is_well_again_only_when_it_is_clear() -> None:
    check = metric(error=parse("above 80", {}, "%"), clear=parse("below 70", {}, "%"))
    bad = check.judge(points(85), NOON, {})
    middle = check.judge(points(75), NOON, bad.memory)
    well = check.judge(points(65), NOON, middle.memory)
    assert [each.level for each in (bad, middle, well)] == [Level.ERROR, Level.ERROR, Level.OK]
    assert middle.says == "cpu is 75 %, not yet below 70 %"
    assert check.judge(points(75), NOON, well.memory).level is Level.OK


def obvious(values: Sequence[float], limit: float, needed: int) -> bool:
    return len(values) >= needed and all(value > limit for value in values[len(values) - needed :])


@given(some.lists(some.integers(0, 100), max_size=8), some.integers(0, 100), some.integers(1, 4))
def test_judgement_is_that_of_an_obvious_model(values: list[int], limit: int, needed: int) -> None:
    condition = Condition("above", limit, needed * FIVE)
    level = metric(error=condition, missing="ok").judge(points(*values), NOON, {}).level
    assert (level is Level.ERROR) is obvious(values, limit, needed)


def test_allowance_of_a_month() -> None:
    check = MonthSum(
        what="hours", label="hours", queries=(("value", CPU),), unit="hours", allowance=160, factor=1 / 60, verb="has run"
    )
    mid = datetime(2026, 3, 16, 12, tzinfo=UTC)
    assert check.since(mid) == datetime(2026, 3, 1, tzinfo=UTC)
    told = [check.judge(((mid, hours * 60.0),), mid, {}) for hours in (100, 130, 161)]
    assert [(each.level, each.says) for each in told] == [
        (Level.OK, "has run 100 hours of its 160 hours this month"),
        (Level.WARNING, "has run 130 hours of its 160 hours this month; at this pace it is used up on 20 Mar"),
        (Level.ERROR, "has run 161 hours of its 160 hours this month"),
    ]


# asking


class Double:
    """CloudWatch as the API reference has it: pages, statuses, errors."""

    def __init__(self, *, page: int = 1_000, status: Mapping[str, str] | None = None, error: Exception | None = None) -> None:
        self.asked: list[dict[str, Any]] = []
        self.page, self.status, self.error = page, status or {}, error

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        wanted = [each for each in asked["MetricDataQueries"] if each.get("ReturnData", True)]
        begin = int(asked.get("NextToken", 0))
        results = [
            {
                "Id": each["Id"],
                "Timestamps": [NOON - FIVE],
                "Values": [50.0],
                "StatusCode": self.status.get(each["Id"], "Complete"),
            }
            for each in wanted[begin : begin + self.page]
        ]
        more = {"NextToken": str(begin + self.page)} if begin + self.page < len(wanted) else {}
        return {"MetricDataResults": results, **more}


def reach(client: Any, left: Callable[[], timedelta] = lambda: timedelta(minutes=1)) -> Reach:
    return Reach(lambda service, region_name="": client, left)


def test_five_hundred_monitors_are_one_request() -> None:
    double = Double()
    found = look_at_all([metric(error=HOT)] * 500, reach(double), NOON)
    assert (len(double.asked), set(found)) == (1, {((NOON - FIVE, 50.0),)})
    look_at_all([metric(error=HOT)] * 501, reach(double), NOON)
    assert len(double.asked) == 3


def test_points_of_a_request_are_bounded() -> None:
    double = Double()
    month = MonthSum(what="", label="", queries=(("value", CPU),), period=timedelta(hours=1), allowance=1)
    minutes = metric(error=HOT, period=MINUTE)
    look_at_all([month, *[minutes] * 400], reach(double), NOON + timedelta(days=20))
    assert len(double.asked) == 2


def test_pages_are_put_together_and_regions_asked_apart() -> None:
    double = Double(page=7)
    found = look_at_all([metric(error=HOT), metric(error=HOT, region="us-east-1")] * 10, reach(double), NOON)
    assert all(each == ((NOON - FIVE, 50.0),) for each in found)
    assert len(double.asked) == 4


def test_what_cloudwatch_cannot_say_is_unreadable_for_that_one() -> None:
    found = look_at_all([metric(error=HOT)] * 3, reach(Double(status={"r1": "InternalError"})), NOON)
    assert [isinstance(each, Unreadable) for each in found] == [False, True, False]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ClientError({"Error": {"Code": "Throttling", "Message": "secret"}}, "GetMetricData"), "CloudWatch says Throttling"),
        (EndpointConnectionError(endpoint_url="http://secret"), "CloudWatch does not answer (EndpointConnectionError)"),
    ],
)
def test_request_that_fails(error: Exception, says: str) -> None:
    assert [str(each) for each in look_at_all([metric(error=HOT)] * 2, reach(Double(error=error)), NOON)] == [says] * 2
    with pytest.raises(Unreadable):
        metric(error=HOT).look(reach(Double(error=error)), NOON, {})


def test_metric_on_a_local_account(ministack: MiniStack) -> None:
    client, now = ministack.client("cloudwatch"), datetime.now(UTC)
    client.put_metric_data(
        Namespace="Acme/Shop",
        MetricData=[
            {"MetricName": "Orders", "Timestamp": now - MINUTE, "Value": 7, "Dimensions": [{"Name": "Shop", "Value": "a"}]}
        ],
    )
    check = metric(
        queries=(("value", Query("Acme/Shop", "Orders", (("Shop", "a"),), "Sum")),), error=parse("above 5", {}), unit=""
    )
    assert check.judge(check.look(reach(client), now, {}), now, {}).says == "cpu is 7, above 5"


@pytest.fixture
def moto_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def test_metric_math_is_sent_as_a_formula_of_the_queries() -> None:
    queries = tuple((each.lower(), Query("Acme", each, (), "Sum")) for each in ("Errors", "Invocations"))
    sent = Double()
    look_at_all([metric(queries=queries, math="100 * errors / SUM([invocations, errors])", error=HOT)], reach(sent), NOON)
    *parts, reckoned = sent.asked[0]["MetricDataQueries"]
    assert [(part["Id"], part["ReturnData"]) for part in parts] == [("q0_0", False), ("q0_1", False)]
    assert reckoned == {"Id": "r0", "Expression": "100 * q0_0 / SUM([q0_1, q0_0])", "Period": 300}


def test_metric_math_is_answered(moto_client: Any) -> None:
    """moto reckons no formula but a single name; that goes the same way."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    data = {"MetricName": "Errors", "Timestamp": now - 2 * MINUTE, "Value": 3.0}
    moto_client.put_metric_data(Namespace="Acme", MetricData=[data])
    check = metric(queries=(("errors", Query("Acme", "Errors", (), "Sum")),), math="errors", error=HOT, period=MINUTE)
    assert check.look(reach(moto_client), now, {}) == ((now - 2 * MINUTE, 3.0),)


# settings


def check_of(kind: str, more: str) -> dict[str, Any]:
    text = f'\n[[monitors]]\nname = "m"\nkind = "{kind}"\nnotify = "email:asha"\n{more}\n'
    return {monitor.name: monitor.check for monitor in some_settings(text).monitors}


def test_words_of_a_resource() -> None:
    (check,) = check_of(
        "metric", 'of = "instance i-0abc"\nerror = "cpu above 80 % for 15 min"\nwarn = "cpu above 60 % for 30 min"'
    ).values()
    assert check.queries[0][1] == Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-0abc"),), "Average")
    assert (check.period, check.what) == (FIVE, "cpu of instance i-0abc, not above 80 % for 15 min and not above 60 % for 30 min")


def test_any_metric_and_math() -> None:
    (check,) = check_of(
        "metric", 'metric = "Acme/Shop Orders"\ndimensions = { Shop = "a" }\nstatistic = "p99"\nerror = "below 1 for 10 min"'
    ).values()
    assert check.queries[0][1] == Query("Acme/Shop", "Orders", (("Shop", "a"),), "p99")
    (check,) = check_of(
        "metric",
        'math = "100 * errors / invocations"\nunit = "%"\nerror = "above 5 % for 10 min"\n'
        'metrics.errors = "AWS/Lambda Errors FunctionName=orders Sum"\n'
        'metrics.invocations = "AWS/Lambda Invocations FunctionName=orders Sum"',
    ).values()
    assert check.queries[0] == ("errors", Query("AWS/Lambda", "Errors", (("FunctionName", "orders"),), "Sum"))


def test_sets_stand_for_several_monitors() -> None:
    found = check_of("instance", 'id = "i-1"\ncredits = "off"\nhours = "160 per month"')
    assert {name: check.what for name, check in found.items()} == {
        "m cpu": "cpu of instance i-1, not above 90 % for 15 min",
        "m status": "status of instance i-1, not at least 1 for 2 min",
        "m hours": "hours that instance i-1 runs, 160 a month",
    }
    assert list(check_of("database", 'id = "orders"\nconnections = "above 90"')) == [
        "m storage",
        "m cpu",
        "m connections",
        "m lag",
    ]
    assert list(check_of("lambda", 'function = "f"\ngb_seconds = "400000 per month"\nmemory = 256')) == [
        "m errors", "m throttles", "m gb-seconds",
    ]  # fmt: skip
    (bill,) = check_of("bill", 'over = "20 USD"\nservice = "AmazonEC2"').values()
    assert (bill.region, bill.every, bill.error.limit, bill.warn.limit) == ("us-east-1", timedelta(hours=6), 20, 16)
    assert bill.judge(((NOON, 21.4),), NOON, {}).says == "cost is 21.40 USD, above 20.00 USD"


def test_gb_seconds_are_duration_times_memory() -> None:
    check = check_of("lambda", 'function = "f"\ngb_seconds = "100 per month"\nmemory = 512')["m gb-seconds"]
    assert check.judge(((NOON, 60_000.0),), NOON, {}).value == "30"  # a minute of half a GB


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("metric", 'error = "above 5"', "it says nothing to measure"),
        ("metric", 'of = "instance i-1"', "it says nothing that is too much"),
        ("metric", 'of = "instanse i-1"\nerror = "cpu above 5"', "did you mean 'instance'?"),
        ("metric", 'of = "instance"\nerror = "cpu above 5"', 'such as "instance NAME"'),
        ("metric", 'of = "instance i-1"\nerror = "heat above 5"', "there are: cpu, credits"),
        ("metric", 'of = "instance i-1"\nerror = "cpu above 5"\nwarn = "credits below 5"', "are measured apart"),
        ("metric", 'of = "instance i-1"\nerror = "cpu above 5"\nwarn = "cpu above 9"', "never come before the error"),
        ("metric", 'of = "instance i-1"\nmetric = "A B"\nerror = "above 5"', "different things to measure"),
        ("metric", 'of = "instance i-1"\nerror = "cpu above 5"\nperiod = "5m"', "has its own"),
        ("metric", 'metric = "CPUUtilization"\nerror = "above 5"', "is no metric"),
        ("metric", 'metric = "A B"\nstatistic = "Mean"\nerror = "above 5"', "is no statistic"),
        ("metric", 'metric = "A B"\nperiod = "90s"\nerror = "above 5"', "no whole minute"),
        ("metric", 'metric = "A B"\nperiod = "7m"\nerror = "above 5 for 15 min"', "does not go into the time"),
        ("metric", 'math = "a / c"\nmetrics = { a = "A B", b = "A C" }\nerror = "above 5"', "metrics has no 'c'"),
        ("metric", 'math = "a"\nerror = "above 5"', "math needs what it reckons with"),
        ("instance", "", "id: it is missing"),
        ("instance", 'id = "i-1"\nhours = "many"', "is no allowance"),
        ("instance", 'id = "i-1"\ncpu = "above 5 GB"', "a unit that does not fit"),
        ("bill", "", "over: it is missing"),
        ("bill", 'over = "20 EUR"', "is no amount"),
        ("bill", 'over = "20 USD"\nevery = "10s"', "the watch runs once a minute"),
    ],
)
def test_settings_that_are_wrong(kind: str, more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_of(kind, more)
    assert told in str(refused.value)
    assert len(set(map(str, refused.value.findings))) == len(refused.value.findings)
