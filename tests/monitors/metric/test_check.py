"""Monitors of CloudWatch's metrics: what points amount to, many asked for by few requests, and each mistake of the settings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as some
from moto import mock_aws

from chalicelib.domain.monitor import BatchProbe, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import SettingsError
from chalicelib.monitors.metric.check import Metric, MonthSum, Points, Query, Seldom
from chalicelib.monitors.metric.cloudwatch import probe_all
from chalicelib.monitors.metric.conditions import Condition, parse
from chalicelib.monitors.metric.resources import RESOURCES
from tests.support.builders import NOON, some_settings
from workbench.local.ministack import MiniStack

MINUTE, FIVE, HOUR, DAY = timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
CPU = Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-1"),))
NOW = NOON + 2 * MINUTE  # what was measured until noon is all there
HOT = parse("above 80 % for 15 min", {}, "%")
GAP = None


def metric(kind: type[Metric] = Metric, **more: Any) -> Any:
    fields: dict[str, Any] = {"what": "cpu of web", "label": "cpu", "queries": (("value", CPU),), "unit": "%", "error": HOT}
    return kind(**(fields | more))


def points(*values: float | None, until: datetime = NOON, period: timedelta = FIVE) -> Points:
    """Values of periods, the last of which ends at noon; None where there is no datapoint."""
    begins = (until - (len(values) - place) * period for place in range(len(values)))
    return tuple((at, value) for at, value in zip(begins, values, strict=True) if value is not None)


def level_of(check: Metric, *values: float | None, now: datetime = NOW) -> Level:
    return check.evaluate(points(*values), now, {}).level


# judgement


@pytest.mark.parametrize(
    ("values", "level", "says"),
    [
        ((10, 85, 86, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((85, 86, 10), Level.OK, "cpu is 10 %"),
        ((10, 86, 87), Level.OK, "cpu is 87 %"),
        ((85, 86, 70, 90), Level.OK, "cpu is 90 %"),
        ((10, 85, GAP, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((10, GAP, GAP, 87), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((85, 10, GAP, 87), Level.OK, "cpu is 87 %"),
        ((85, 86, 87, GAP, GAP), Level.ERROR, "cpu is 87 %, above 80 % for 15 minutes"),
        ((), Level.UNKNOWN, "cpu has no data"),
    ],
)
def test_each_point_of_the_time_that_it_lasts_is_beyond_the_limit(
    values: tuple[float | None, ...], level: Level, says: str
) -> None:
    result = metric().evaluate(points(*values), NOW, {})
    assert (result.level, result.says) == (level, says)


def test_a_result_has_its_value_and_since_when_it_is_so() -> None:
    result = metric().evaluate(points(10, 85, 85, 85, 87.46), NOW, {})
    assert (result.value, result.since) == ("87.5 %", NOON - 4 * FIVE)


def test_a_warning_is_its_own_condition() -> None:
    check = metric(error=parse("below 5 GB", {}, "bytes"), warn=parse("below 10 GB", {}, "bytes"), unit="bytes", label="storage")
    told = [check.evaluate(points(free * 1024**3), NOW, {}) for free in (12, 7.5, 4.2)]
    assert [each.says for each in told] == ["storage is 12 GB", "storage is 7.5 GB, below 10 GB", "storage is 4.2 GB, below 5 GB"]
    assert [each.level for each in told] == [Level.OK, Level.WARNING, Level.ERROR]


def test_period_that_is_not_over_counts_for_nothing_that_has_to_last() -> None:
    running = points(85, 86, 87, 5, until=NOON + 4 * MINUTE)
    assert metric().evaluate(running, NOON + 3 * MINUTE, {}).says == "cpu is 87 %, above 80 % for 15 minutes"
    assert metric().evaluate(points(5, 85, 86, 87, until=NOON + 4 * MINUTE), NOON + 3 * MINUTE, {}).level is Level.OK


@pytest.mark.parametrize(
    ("statistic", "math", "text", "value", "level"),
    [
        ("Sum", "", "at least 1", 1, Level.ERROR),
        ("Maximum", "", "above 0", 1, Level.ERROR),
        ("Minimum", "", "below 5", 1, Level.ERROR),
        ("Sum", "", "below 5", 1, Level.OK),  # more may come
        ("Average", "", "above 0", 1, Level.OK),
        ("Sum", "value * 2", "above 0", 1, Level.OK),
        ("Sum", "", "at least 1 for 10 min", 1, Level.OK),
    ],
)
def test_period_that_is_not_over_counts_where_it_can_only_get_worse(
    statistic: str, math: str, text: str, value: float, level: Level
) -> None:
    query = Query("AWS/Lambda", "Errors", (), statistic)
    check = metric(error=parse(text, {}), queries=(("value", query),), math=math, unit="")
    well = 9 if "below" in text else 0
    assert check.evaluate(points(well, well, value), NOON - MINUTE, {}).level is level


def test_period_is_waited_for_until_all_of_it_is_measured() -> None:
    orders = Query("Acme/Shop", "Orders", (), "Sum")
    check = metric(error=parse("below 5", {}), queries=(("value", orders),), unit="", label="orders")
    said = [check.evaluate(points(9, 1), NOON + some * MINUTE, {}).says for some in (0, 1, 2)]
    assert said == ["orders is 9", "orders is 9", "orders is 1, below 5"]


def test_first_point_of_all_is_no_missing_data() -> None:
    assert metric().evaluate(points(99), NOON - MINUTE, {}).says == "cpu is 99 %"


@pytest.mark.parametrize(("missing", "level"), [("unknown", Level.UNKNOWN), ("ok", Level.OK), ("error", Level.ERROR)])
def test_missing_data_is_what_the_settings_say(missing: str, level: Level) -> None:
    check = metric(missing=missing)
    last = check.evaluate(points(50), NOW, {})
    still = check.evaluate(points(50), NOON + 25 * MINUTE, last.memory)
    gone = check.evaluate(points(50), NOON + 26 * MINUTE, last.memory)
    forgotten = check.evaluate((), NOON + DAY, gone.memory)
    assert still.says == "cpu is 50 %"
    assert (gone.level, gone.says, gone.value) == (level, "cpu has no data since 2 Mar 12:00 UTC", "no data")
    assert (forgotten.level, forgotten.says) == (gone.level, gone.says)


def test_what_comes_seldom_is_waited_for() -> None:
    check = metric(Seldom, period=DAY, error=parse("above 5 GB", {}, "bytes"), unit="bytes")
    daily = points(6 * 1024**3, period=DAY)
    assert check.evaluate(daily, NOON + timedelta(hours=59), {}).level is Level.ERROR
    assert check.evaluate(daily, NOON + timedelta(hours=61), {}).level is Level.UNKNOWN


def test_it_is_well_again_only_when_it_is_clear() -> None:
    check = metric(error=parse("above 80", {}, "%"), clear=parse("below 70 for 10 min", {}, "%"))
    memory: Mapping[str, Any] = {}
    said = []
    for values in ((85,), (85, 75), (75, 65), (65, 65), (65, 75)):
        result = check.evaluate(points(*values), NOW, memory)
        memory = result.memory
        said.append((result.level, result.says))
    assert said == [
        (Level.ERROR, "cpu is 85 %, above 80 %"),
        (Level.ERROR, "cpu is 75 %, not yet below 70 % for 10 min"),
        (Level.ERROR, "cpu is 65 %, not yet below 70 % for 10 min"),
        (Level.OK, "cpu is 65 %"),
        (Level.OK, "cpu is 75 %"),
    ]


@pytest.mark.parametrize(("missing", "level"), [("unknown", Level.ERROR), ("ok", Level.OK)])
def test_trouble_before_a_gap_is_remembered_where_the_gap_says_nothing(missing: str, level: Level) -> None:
    check = metric(error=parse("above 80", {}, "%"), clear=parse("below 70", {}, "%"), missing=missing)
    bad = check.evaluate(points(85), NOW, {})
    gap = check.evaluate((), NOW, bad.memory)
    assert check.evaluate(points(75), NOW, gap.memory).level is level


@given(some.dictionaries(some.sampled_from(["level", "seen"]), some.none() | some.text(max_size=5) | some.integers()))
def test_memory_of_something_else_does_no_harm(memory: dict[str, Any]) -> None:
    check = metric(clear=parse("below 70", {}, "%"))
    assert check.evaluate(points(75), NOW, memory | {"seen": None}).level in (Level.OK, Level.ERROR, Level.WARNING)
    assert check.evaluate((), NOW, memory).level is Level.UNKNOWN


def obvious(values: Sequence[float | None], limit: float, needed: int) -> Level:
    """All that there is of the last periods, counted from the newest that there is; that may be ten minutes late."""
    late = 0
    while values and values[-1] is None:
        values, late = values[:-1], late + 1
    if 2 + 5 * late > 5 * needed + 10:
        return Level.OK  # as these settings say of missing data
    there = [value for value in values[-needed:] if value is not None]
    return Level.ERROR if there and all(value > limit for value in there) else Level.OK


@given(some.lists(some.none() | some.integers(0, 4), max_size=8), some.integers(0, 4), some.integers(1, 4), some.integers(0, 2))
def test_judgement_is_that_of_an_obvious_model(values: list[int | None], limit: int, needed: int, gaps: int) -> None:
    condition = Condition("above", limit, needed * FIVE)
    series = [*values, *([GAP] * min(gaps, needed))]
    assert level_of(metric(error=condition, missing="ok"), *series) is obvious(series, limit, needed)


@given(some.lists(some.none() | some.integers(0, 4), max_size=8), some.integers(0, 4), some.integers(1, 5), some.integers(0, 4))
def test_few_of_the_last_values_are_counted_and_a_missing_one_is_none(
    values: list[int | None], limit: int, enough: int, more: int
) -> None:
    condition = Condition("above", limit, few=(enough, enough + more))
    series = values[: max((place + 1 for place, value in enumerate(values) if value is not None), default=0)]
    beyond = sum(value is not None and value > limit for value in series[-enough - more :])
    level = metric(error=condition, missing="ok").evaluate(points(*series), NOW, {}).level
    assert level is (Level.ERROR if beyond >= enough else Level.OK)


def test_few_of_the_last_values_say_how_many_and_since_when() -> None:
    check = metric(error=parse("above 80 % 2 of 4", {}, "%"))
    told = [check.evaluate(points(*values), NOW, {}) for values in ((10, 85, 20, 30, 90), (85, 85, 10, 20), (85, 10, 20, 30))]
    assert [each.says for each in told] == [
        "cpu is 90 %, above 80 % in 2 of the last 4 values",
        "cpu was 85 %, above 80 % in 2 of the last 4 values",
        "cpu is 30 %",
    ]
    assert told[0].since == NOON - 4 * FIVE


@given(some.lists(some.none() | some.integers(0, 4), min_size=1, max_size=8), some.integers(1, 3))
def test_since_is_the_first_point_of_an_unbroken_run(values: list[int | None], needed: int) -> None:
    seen = points(*values)
    result = metric(error=Condition("above", 2, needed * FIVE), missing="ok").evaluate(seen, NOW, {})
    if result.level is Level.ERROR:
        after = [value for at, value in seen if result.since and at >= result.since]
        before = [value for at, value in seen if result.since and at < result.since]
        assert min(after) > 2
        assert not before or before[-1] <= 2


# allowances of a month


HOURS = metric(MonthSum, unit="hours", allowance=160, factor=1 / 60, verb="has run", period=DAY, error=None)


def test_allowance_of_a_month_is_used_up_little_by_little() -> None:
    mid = datetime(2026, 3, 16, 12, tzinfo=UTC)
    assert HOURS.begins(mid) == datetime(2026, 3, 1, tzinfo=UTC)
    told = [HOURS.evaluate(((mid - DAY, hours * 60.0),), mid, {}) for hours in (0, 127, 130, 160, 161)]
    assert [(each.level, each.says) for each in told] == [
        (Level.OK, "has run 0 of its 160 hours this month"),
        (Level.OK, "has run 127 of its 160 hours this month"),
        (Level.WARNING, "has run 130 of its 160 hours this month; at this pace it is used up on 20 Mar"),
        (Level.ERROR, "has run 160 of its 160 hours this month"),
        (Level.ERROR, "has run 161 of its 160 hours this month"),
    ]
    assert told[-1].value == "161 hours"


def test_allowance_that_holds_until_the_months_end_says_no_day() -> None:
    late = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert HOURS.evaluate(((late - DAY, 140 * 60.0),), late, {}).says == "has run 140 of its 160 hours this month"


def test_allowance_begins_anew_with_the_month() -> None:
    first = datetime(2026, 4, 1, 0, 0, 30, tzinfo=UTC)
    assert HOURS.evaluate(((first - DAY, 200 * 60.0),), first, {}).level is Level.OK
    assert HOURS.evaluate((), first, {}).says == "has run 0 of its 160 hours this month"


# asking


class Double:
    """CloudWatch as the API reference has it: pages, statuses, requests that are refused."""

    def __init__(
        self, *, page: int = 1_000, status: Mapping[str, str] | None = None, error: Exception | None = None, refused: str = "?"
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.page, self.status, self.error, self.refused = page, status or {}, error, refused

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise self.error
        if any(self.refused in each.get("Expression", "") for each in asked["MetricDataQueries"]):
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "secret"}}, "GetMetricData")
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


SEEN = ((NOON - FIVE, 50.0),)


def reach(client: Any, left: Callable[[], timedelta] = lambda: MINUTE) -> ProbeContext:
    return ProbeContext(lambda service, region_name="": client, left)


def test_five_hundred_monitors_are_one_request() -> None:
    double = Double()
    assert isinstance(metric(), BatchProbe)
    assert probe_all([metric()] * 500, reach(double), NOON) == [SEEN] * 500
    assert len(double.asked) == 1
    probe_all([metric()] * 501, reach(double), NOON)
    assert len(double.asked) == 3


def test_monitors_of_all_kinds_are_few_requests() -> None:
    double = Double()
    kinds = [
        metric(),
        metric(period=MINUTE, error=parse("above 1 for 2 min", {})),
        metric(error=parse("above 1 for 30 min", {})),
        metric(error=parse("above 1", {})),
    ]
    found = probe_all(kinds * 125, reach(double), NOON)
    assert all(seen == SEEN for seen in found)
    assert len(double.asked) <= 2


@given(
    some.lists(
        some.tuples(some.sampled_from([1, 5, 7, 15, 60, 360, 1440]), some.integers(1, 60), some.booleans()),
        min_size=1,
        max_size=120,
    )
)
def test_each_request_stays_within_what_cloudwatch_allows(shapes: list[tuple[int, int, bool]]) -> None:
    checks = [
        metric(MonthSum, period=DAY, error=None, allowance=1)
        if month
        else metric(period=minutes * MINUTE, error=Condition("above", 1, minutes * count * MINUTE))
        for minutes, count, month in shapes
    ]
    double = Double()
    probe_all(checks, reach(double), NOW)
    assert sum(len(asked["MetricDataQueries"]) for asked in double.asked) == len(checks)
    for asked in double.asked:
        back = NOW - asked["StartTime"]
        periods = [query["MetricStat"]["Period"] for query in asked["MetricDataQueries"]]
        assert sum(back.total_seconds() / period for period in periods) <= 100_800
        assert all(asked["StartTime"].timestamp() % period == 0 for period in periods)
        assert back < timedelta(days=15) or all(period % 300 == 0 for period in periods)
        assert back < timedelta(days=63) or all(period % 3600 == 0 for period in periods)


def test_hundreds_that_look_back_far_are_parted_by_their_points() -> None:
    double = Double()
    minutes = metric(period=MINUTE, error=Condition("above", 1, 20 * HOUR))
    probe_all([minutes] * 200, reach(double), NOON)
    assert len(double.asked) == 3


def test_times_begin_with_the_periods_and_end_with_now() -> None:
    double = Double()
    probe_all([metric()], reach(double), NOON + timedelta(minutes=3, seconds=20))
    assert double.asked[0]["StartTime"] == NOON - timedelta(minutes=55)
    assert double.asked[0]["EndTime"] == NOON + 4 * MINUTE


def test_pages_are_put_together_and_regions_asked_apart() -> None:
    double, regions = Double(page=7), []

    def clients(service: str, region_name: str = "") -> Double:
        regions.append((service, region_name))
        return double

    some_checks = [metric(), metric(region="us-east-1")] * 10
    assert probe_all(some_checks, ProbeContext(clients, lambda: MINUTE), NOON) == [SEEN] * 20
    assert regions == [("cloudwatch", ""), ("cloudwatch", "us-east-1")]
    assert len(double.asked) == 4


def test_answer_without_end_is_given_up() -> None:
    found = probe_all([metric()] * 30, reach(Double(page=1)), NOON)
    assert [isinstance(each, ProbeError) for each in found] == [False] * 20 + [True] * 10


@pytest.mark.parametrize("status", ["InternalError", "PartialData", "Forbidden"])
def test_what_cloudwatch_cannot_say_is_unreadable_for_that_one(status: str) -> None:
    found = probe_all([metric()] * 3, reach(Double(status={"r1": status})), NOON)
    assert [str(each) if isinstance(each, ProbeError) else "seen" for each in found] == [
        "seen",
        f"CloudWatch says {status}",
        "seen",
    ]


def test_rest_of_partial_data_comes_with_the_next_page() -> None:
    class Two(Double):
        def get_metric_data(self, **asked: Any) -> dict[str, Any]:
            self.asked.append(asked)
            second = "NextToken" in asked
            result = {"Id": "r0", "Timestamps": [NOON - (1 if second else 2) * FIVE], "Values": [2.0 if second else 1.0]}
            status = {"StatusCode": "Complete" if second else "PartialData"}
            return {"MetricDataResults": [result | status], **({} if second else {"NextToken": "more"})}

    assert metric().probe(reach(Two()), NOON, {}) == ((NOON - 2 * FIVE, 1.0), (NOON - FIVE, 2.0))


def test_formula_that_is_none_is_unreadable_alone() -> None:
    double = Double(refused="oops")
    checks = [metric()] * 100
    checks[37] = metric(math="oops(value)")
    found = probe_all(checks, reach(double), NOON)
    assert [place for place, seen in enumerate(found) if isinstance(seen, ProbeError)] == [37]
    assert str(found[37]) == "CloudWatch says ValidationError"
    assert len(double.asked) < 20


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ClientError({"Error": {"Code": "Throttling", "Message": "secret"}}, "GetMetricData"), "CloudWatch says Throttling"),
        (EndpointConnectionError(endpoint_url="http://secret"), "CloudWatch does not answer (EndpointConnectionError)"),
    ],
)
def test_request_that_fails_is_not_made_again(error: Exception, says: str) -> None:
    double = Double(error=error)
    assert [str(each) for each in probe_all([metric()] * 2, reach(double), NOON)] == [says] * 2
    assert len(double.asked) == 1
    with pytest.raises(ProbeError):
        metric().probe(reach(Double(error=error)), NOON, {})


def test_one_region_that_fails_leaves_the_other() -> None:
    error = EndpointConnectionError(endpoint_url="http://secret")
    clients = {"": Double(error=error), "us-east-1": Double()}
    some_checks = [metric(), metric(region="us-east-1")]
    found = probe_all(some_checks, ProbeContext(lambda service, region_name="": clients[region_name], lambda: MINUTE), NOON)
    assert [isinstance(each, ProbeError) for each in found] == [True, False]


def test_without_time_nothing_is_asked() -> None:
    double = Double()
    found = probe_all([metric()], reach(double, lambda: timedelta(0)), NOON)
    assert (str(found[0]), double.asked) == ("there was no time to ask", [])


def test_metric_on_a_local_account(ministack: MiniStack) -> None:
    client, now = ministack.client("cloudwatch"), datetime.now(UTC)
    dimensions = [{"Name": "Shop", "Value": "a"}]
    data = {"MetricName": "Orders", "Timestamp": now - MINUTE, "Value": 7, "Dimensions": dimensions}
    client.put_metric_data(Namespace="Acme/Shop", MetricData=[data])
    query = Query("Acme/Shop", "Orders", (("Shop", "a"),), "Sum")
    there = metric(queries=(("value", query),), error=parse("above 5", {}), unit="", label="Orders")
    other = metric(queries=(("value", Query("Acme/Shop", "Orders", (("Shop", "b"),), "Sum")),))
    reckoned = metric(math="value * 2")
    seen, nothing, unreadable = probe_all([there, other, reckoned], reach(client), now)
    assert there.evaluate(seen, now, {}).says == "Orders is 7, above 5"
    assert other.evaluate(nothing, now, {}).says == "cpu has no data"
    assert str(unreadable) == "CloudWatch says InternalError"  # it reckons no formulas


@pytest.fixture
def moto_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def test_metric_math_is_sent_as_a_formula_of_the_queries() -> None:
    queries = tuple((each.lower(), Query("Acme", each, (), "Sum")) for each in ("Errors", "Invocations"))
    sent = Double()
    probe_all([metric(queries=queries, math="100 * errors / SUM([invocations, errors])")] * 2, reach(sent), NOON)
    *parts, reckoned = sent.asked[0]["MetricDataQueries"][3:]
    assert [(part["Id"], part["ReturnData"]) for part in parts] == [("q1_0", False), ("q1_1", False)]
    assert reckoned == {"Id": "r1", "Expression": "100 * q1_0 / SUM([q1_1, q1_0])", "Period": 300}


def test_metric_math_is_answered(moto_client: Any) -> None:
    """moto reckons no formula but a single name; that goes the same way, and boto3 looks at what is asked."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    data = {"MetricName": "Errors", "Timestamp": now - 2 * MINUTE, "Value": 3.0}
    moto_client.put_metric_data(Namespace="Acme", MetricData=[data])
    check = metric(queries=(("errors", Query("Acme", "Errors", (), "Sum")),), math="errors", period=MINUTE)
    assert check.probe(reach(moto_client), now, {}) == ((now - 2 * MINUTE, 3.0),)


# settings


def check_of(more: str) -> Any:
    text = f'\n[[monitors]]\nname = "m"\nkind = "metric"\nnotify = "email:asha"\n{more}\n'
    (monitor,) = some_settings(text).monitors
    return monitor.check


def test_words_of_a_resource() -> None:
    check = check_of('of = "instance i-0abc"\nerror = "CPU above 80 % for 15 min"\nwarn = "cpu above 60 % for 30 min"')
    assert check.queries[0][1] == Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-0abc"),), "Average")
    assert (check.period, check.missing, check.region) == (FIVE, "unknown", "")
    assert check.what == "cpu of instance i-0abc, not above 80 % for 15 min and not above 60 % for 30 min"
    assert check.permissions == (("cloudwatch:GetMetricData", "*"),)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("cpu above 80 %", FIVE),
        ("cpu above 80 % for 30 min", FIVE),
        ("cpu above 80 % for 2 min", MINUTE),
        ("cpu above 80 % for 7 min", MINUTE),
        ("cpu above 80 % for 2 d", HOUR),
        ("status at least 1 for 2 min", MINUTE),
    ],
)
def test_period_goes_into_the_time_that_it_lasts(text: str, period: timedelta) -> None:
    assert check_of(f'of = "instance i-0abc"\nerror = "{text}"').period == period


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, each in RESOURCES.items() for word in each.words])
def test_every_word_can_be_watched(kind: str, word: str) -> None:
    resource = RESOURCES[kind]
    unit = {"bytes": "GB", "s": "s", "ms": "ms"}.get(resource.words[word].unit, "")
    check = check_of(f'of = "{kind} {resource.such}"\nerror = "{word} above 5 {unit}"')
    assert check.queries[0][1].dimensions[0] == (resource.dimension, resource.such)
    assert check.region == resource.region
    assert check.every == (timedelta(hours=6) if check.period > HOUR else FIVE)
    assert check.begins(NOON) < NOON - check.period


def test_bill_of_all_services_names_none() -> None:
    check = check_of('of = "bill"\nerror = "cost above 20 USD"')
    assert check.queries[0][1] == Query("AWS/Billing", "EstimatedCharges", (("Currency", "USD"),), "Maximum")
    assert (check.region, check.what) == ("us-east-1", "cost of this account, not above 20 USD")


def test_any_metric() -> None:
    check = check_of(
        'metric = "Acme/Shop Orders"\ndimensions = { Shop = "a" }\nstatistic = "p99"\nperiod = "10m"\nregion = "eu-central-1"\n'
        'error = "below 1 for 20 min"\nmissing = "error"'
    )
    assert check.queries == (("value", Query("Acme/Shop", "Orders", (("Shop", "a"),), "p99")),)
    assert (check.period, check.missing, check.region, check.label) == (10 * MINUTE, "error", "eu-central-1", "Orders")
    assert check.what == "Orders of a, not below 1 for 20 min"


@pytest.mark.parametrize(
    ("more", "unit", "limit"),
    [
        ('error = "above 80 %"', "%", 80),
        ('error = "below 5 KB"', "bytes", 5120),
        ('error = "above 80"', "", 80),
        ('unit = "ms"\nerror = "above 3 s"', "ms", 3000),
        ('warn = "above 80"\nunit = "%"', "%", 80),
    ],
)
def test_unit_of_any_metric_is_that_of_its_limit_or_as_given(more: str, unit: str, limit: float) -> None:
    check = check_of(f'metric = "Acme/Shop Free"\n{more}')
    assert (check.unit, (check.error or check.warn).limit) == (unit, limit)


def test_math() -> None:
    check = check_of(
        'math = "100 * errors / invocations"\nerror = "above 5 % for 10 min"\nmissing = "ok"\n'
        'metrics.errors = "AWS/Lambda Errors FunctionName=orders Sum"\n'
        'metrics.invocations = "AWS/Lambda Invocations FunctionName=orders Sum"',
    )
    assert check.queries[0] == ("errors", Query("AWS/Lambda", "Errors", (("FunctionName", "orders"),), "Sum"))
    assert check.what == "100 * errors / invocations, not above 5 % for 10 min"
    assert check.evaluate(points(7, 7), NOW, {}).says == "it is 7 %, above 5 % for 10 minutes"


def test_limits_of_a_second_are_held_against_what_came_in_the_period() -> None:
    check = check_of('of = "instance i-1"\nerror = "network in above 10 MB/s for 10 min"')
    told = [check.evaluate(points(some, some), NOW, {}) for some in (9 * 300 * 1024**2, 12 * 300 * 1024**2)]
    assert [each.says for each in told] == ["network in is 9 MB/s", "network in is 12 MB/s, above 10 MB/s for 10 minutes"]
    assert [each.level for each in told] == [Level.OK, Level.ERROR]


OF = 'of = "instance i-1"\n'
ANY = 'metric = "A B"\n'


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('error = "above 5"', "it says nothing to measure"),
        ('of = "instance i-1"', "error: it says nothing that is too much"),
        ('of = "instanse i-1"\nerror = "cpu above 5"', "did you mean 'instance'?"),
        ('of = "instance"\nerror = "cpu above 5"', 'such as "instance i-0abc123"'),
        ('of = "instance web 1"\nerror = "cpu above 5"', "'web 1' is no name of that; such as \"i-0abc123\""),
        ('of = "queue "\nerror = "messages above 5"', 'such as "queue orders"'),
        (OF + 'error = "heat above 5"', "error: 'heat' is nothing that is measured there; there are: cpu, credits"),
        (OF + 'error = "above 5"', "error: 'above 5' does not say what is measured"),
        (OF + 'error = "cpu hot"', "error: 'cpu hot' is no condition; write"),
        (OF + 'error = "cpu above 5 GB"', "a unit that does not fit; it is in %"),
        (OF + 'error = "cpu above 5"\nwarn = "credits below 5"', "warn: cpu and credits are measured apart"),
        (OF + 'error = "cpu above 5"\nwarn = "cpu above 9"', "warn: the warning would never come before the error"),
        (OF + 'error = "cpu above 80 for 15 min"\nwarn = "cpu above 80 for 30 min"', "would never come before the error"),
        (OF + 'error = "cpu above 5"\nclear = "cpu above 3"', "clear: it does not say when the trouble is over"),
        (OF + 'error = "cpu above 5"\nclear = "cpu below 9"', "clear: it does not say when the trouble is over"),
        (OF + 'error = "cpu above 5"\nmetric = "A B"', "metric: of and metric are different things to measure"),
        (OF + 'error = "cpu above 5"\nstatistic = "Sum"', "statistic: it does not go with of"),
        (OF + 'error = "cpu above 5"\nperiod = "90s"', "period: '90s' is no whole minute"),
        (OF + 'error = "cpu above 5"\nregion = "Frankfurt"', "region: 'Frankfurt' is no region; such as"),
        (OF + 'error = "cpu above 5"\nmissing = "fine"', "missing: 'fine' is none of unknown, ok, error"),
        ('of = "bill"\nerror = "cost above 5"\nregion = "eu-west-1"', "region: it is measured in us-east-1 alone"),
        ('of = "bucket orders"\nerror = "size above 5 GB for 15 min"', "error: it is measured each 24 hours; leave"),
        ('metric = "CPUUtilization"\nerror = "above 5"', "metric: 'CPUUtilization' is no metric; its namespace and its name"),
        (ANY + 'statistic = "Mean"\nerror = "above 5"', "statistic: 'Mean' is no statistic"),
        (ANY + 'dimensions = "a"\nerror = "above 5"', "it is text, not a table"),
        (ANY + 'metrics = { a = "A B" }\nerror = "above 5"', "metrics: it does not go with metric"),
        (ANY + 'unit = "parsecs"\nerror = "above 5"', "unit: 'parsecs' is none of"),
        (ANY + 'error = "above 5 s"', 'it is a plain number, unless the monitor has unit = "ms"'),
        (ANY + 'error = "cpu above 5"', "error: 'cpu' says what is measured twice"),
        (ANY + 'period = "7m"\nerror = "above 5 for 15 min"', "period: it does not go into the time"),
        (ANY + 'period = "1m"\nerror = "above 5 for 25 min 3 of 5"', "period: it does not go into the time"),
        (OF + 'error = "cpu above 5 for 1 h 3 of 5"', "error: there are not so many values in that time, one each 1 minute"),
        (ANY + 'error = "above 5 /s"', "error: only what is added up comes to so much in a second"),
        (OF + 'error = "cpu above 5 %/s"', "error: only what is added up comes to so much in a second"),
        (
            OF + 'error = "network in above 5 MB/s"\nwarn = "network in above 5 GB"',
            "some limits are of a second, and some are not",
        ),
        (ANY + 'period = "2d"\nerror = "above 5"', "period: '2d' is longer than a day"),
        (ANY + 'period = "1m"\nerror = "above 5 for 2 d"', "period: 2,880 points are too many to look at"),
        (ANY + 'error = "above 5 for 1441 min"', "error: 1,441 points are too many to look at"),
        ('math = "a / c"\nmetrics = { a = "A B", b = "A C" }\nerror = "above 5"', "math: metrics has no 'c'"),
        ('math = "a"\nmetrics = { a = "A B", b = "A C" }\nerror = "above 5"', "metrics: math does not use 'b'"),
        ('math = "sum([a])"\nmetrics = { a = "A B" }\nerror = "above 5"', "functions are written large: SUM"),
        ('math = "a"\nmetrics = { a = "A" }\nerror = "above 5"', "a: 'A' is no metric"),
        ('math = "A1"\nmetrics = { A1 = "A B" }\nerror = "above 5"', "metrics: 'A1' cannot stand in a formula"),
        ('math = "SEARCH(\'x\', \'Sum\')"\nmetrics = { a = "A B" }\nerror = "above 5"', "math: it gives many values"),
        ('math = "a"\nerror = "above 5"', "metrics: math needs what it reckons with"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_of(more)
    assert told in str(refused.value)
    assert len(set(map(str, refused.value.findings))) == len(refused.value.findings)
