"""The settings of metric monitors, and every error in them."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import SettingsError
from chalicelib.monitors.metric.check import Query
from chalicelib.monitors.metric.resources import RESOURCES
from tests.monitors.metric.samples import FIVE, HOUR, MINUTE, NOW, points
from tests.support.builders import NOON, some_settings


def check_of(fields: str) -> Any:
    text = f'\n[[monitors]]\nname = "m"\nkind = "metric"\nnotify = "email:asha"\n{fields}\n'
    (monitor,) = some_settings(text).monitors
    return monitor.check


def test_metric_of_a_resource() -> None:
    check = check_of('of = "instance i-0abc"\nerror = "CPU above 80 % for 15 min"\nwarn = "cpu above 60 % for 30 min"')
    assert check.queries[0][1] == Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-0abc"),), "Average")
    assert (check.period, check.missing, check.region) == (FIVE, "unknown", "")
    assert check.description == "cpu of instance i-0abc: error above 80 % for 15 min, warning above 60 % for 30 min"
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
def test_period_divides_the_duration(text: str, period: timedelta) -> None:
    assert check_of(f'of = "instance i-0abc"\nerror = "{text}"').period == period


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, resource in RESOURCES.items() for name in resource.metrics])
def test_every_metric_of_a_resource_can_be_monitored(kind: str, name: str) -> None:
    resource = RESOURCES[kind]
    unit = {"bytes": "GB", "s": "s", "ms": "ms"}.get(resource.metrics[name].unit, "")
    check = check_of(f'of = "{kind} {resource.example}"\nerror = "{name} above 5 {unit}"')
    assert check.queries[0][1].dimensions[0] == (resource.dimension, resource.example)
    assert check.region == resource.region
    assert check.every == (timedelta(hours=6) if check.period > HOUR else FIVE)
    assert check.window_start(NOON) < NOON - check.period


def test_bill_of_all_services_has_no_service_dimension() -> None:
    check = check_of('of = "bill"\nerror = "cost above 20 USD"')
    assert check.queries[0][1] == Query("AWS/Billing", "EstimatedCharges", (("Currency", "USD"),), "Maximum")
    assert (check.region, check.description) == ("us-east-1", "cost of this account: error above 20 USD")


def test_metric_by_its_name() -> None:
    check = check_of(
        'metric = "Acme/Shop Orders"\ndimensions = { Shop = "a" }\nstatistic = "p99"\nperiod = "10m"\nregion = "eu-central-1"\n'
        'error = "below 1 for 20 min"\nmissing = "error"'
    )
    assert check.queries == (("value", Query("Acme/Shop", "Orders", (("Shop", "a"),), "p99")),)
    assert (check.period, check.missing, check.region, check.label) == (10 * MINUTE, "error", "eu-central-1", "Orders")
    assert check.description == "Orders of a: error below 1 for 20 min"


@pytest.mark.parametrize(
    ("fields", "unit", "limit"),
    [
        ('error = "above 80 %"', "%", 80),
        ('error = "below 5 KB"', "bytes", 5120),
        ('error = "above 80"', "", 80),
        ('unit = "ms"\nerror = "above 3 s"', "ms", 3000),
        ('warn = "above 80"\nunit = "%"', "%", 80),
    ],
)
def test_unit_of_a_metric_is_as_set_or_that_of_its_limit(fields: str, unit: str, limit: float) -> None:
    check = check_of(f'metric = "Acme/Shop Free"\n{fields}')
    assert (check.unit, (check.error or check.warn).limit) == (unit, limit)


def test_metric_math() -> None:
    check = check_of(
        'math = "100 * errors / invocations"\nerror = "above 5 % for 10 min"\nmissing = "ok"\n'
        'metrics.errors = "AWS/Lambda Errors FunctionName=orders Sum"\n'
        'metrics.invocations = "AWS/Lambda Invocations FunctionName=orders Sum"',
    )
    assert check.queries[0] == ("errors", Query("AWS/Lambda", "Errors", (("FunctionName", "orders"),), "Sum"))
    assert check.description == "100 * errors / invocations: error above 5 % for 10 min"
    assert check.evaluate(points(7, 7), NOW, {}).message == "it is 7 %, above 5 % for 10 minutes"


def test_limits_per_second_are_compared_with_the_rate_of_the_period() -> None:
    check = check_of('of = "instance i-1"\nerror = "network in above 10 MB/s for 10 min"')
    results = [check.evaluate(points(total, total), NOW, {}) for total in (9 * 300 * 1024**2, 12 * 300 * 1024**2)]
    assert [result.message for result in results] == [
        "network in is 9 MB/s",
        "network in is 12 MB/s, above 10 MB/s for 10 minutes",
    ]
    assert [result.level for result in results] == [Level.OK, Level.ERROR]


OF = 'of = "instance i-1"\n'
ANY = 'metric = "A B"\n'


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ('error = "above 5"', "no metric to check; set of"),
        ('of = "instance i-1"', "error: missing; set error or warn"),
        ('of = "instanse i-1"\nerror = "cpu above 5"', "did you mean 'instance'?"),
        ('of = "instance"\nerror = "cpu above 5"', "of: no name in 'instance'; use for example \"instance i-0abc123\""),
        ('of = "instance web 1"\nerror = "cpu above 5"', "of: invalid name 'web 1'; use for example \"i-0abc123\""),
        ('of = "queue "\nerror = "messages above 5"', 'use for example "queue orders"'),
        (OF + 'error = "heat above 5"', "error: unknown metric 'heat'; use one of: cpu, credits"),
        (OF + 'error = "above 5"', "error: 'above 5' names no metric; use one of: cpu"),
        (OF + 'error = "cpu hot"', "error: invalid condition 'cpu hot'; use for example"),
        (OF + 'error = "cpu above 5 GB"', "wrong unit in 'cpu above 5 GB'; use one of: %"),
        (OF + 'error = "cpu above 5"\nwarn = "credits below 5"', "warn: cpu and credits are different metrics; create"),
        (OF + 'error = "cpu above 5"\nwarn = "cpu above 9"', "warn: the warning would never come before the error"),
        (OF + 'error = "cpu above 80 for 15 min"\nwarn = "cpu above 80 for 30 min"', "would never come before the error"),
        (OF + 'error = "cpu above 5"\nclear = "cpu above 3"', "clear: can hold together with the error or the warning"),
        (OF + 'error = "cpu above 5"\nclear = "cpu below 9"', "clear: can hold together with the error or the warning"),
        (OF + 'error = "cpu above 5"\nmetric = "A B"', "metric: 'of' and 'metric' cannot be combined; keep one"),
        (OF + 'error = "cpu above 5"\nstatistic = "Sum"', "statistic: 'statistic' and 'of' cannot be combined; remove one"),
        (OF + 'error = "cpu above 5"\nperiod = "90s"', "period: '90s' is not a whole number of minutes"),
        (OF + 'error = "cpu above 5"\nregion = "Frankfurt"', "region: invalid region 'Frankfurt'; use for example"),
        (OF + 'error = "cpu above 5"\nmissing = "fine"', "missing: unknown value 'fine'"),
        ('of = "bill"\nerror = "cost above 5"\nregion = "eu-west-1"', "region: this metric exists only in us-east-1; remove it"),
        ('of = "bucket orders"\nerror = "size above 5 GB for 15 min"', "error: measured only every 24 hours; remove"),
        ('metric = "CPUUtilization"\nerror = "above 5"', "metric: invalid metric 'CPUUtilization'; use namespace and name"),
        (ANY + 'statistic = "Mean"\nerror = "above 5"', "statistic: invalid statistic 'Mean'; use Average"),
        (ANY + 'dimensions = "a"\nerror = "above 5"', "must be a table, not text"),
        (ANY + 'metrics = { a = "A B" }\nerror = "above 5"', "metrics: 'metrics' and 'metric' cannot be combined"),
        (ANY + 'unit = "parsecs"\nerror = "above 5"', "unit: unknown unit 'parsecs'; use one of: %, bytes, s, ms, USD"),
        (ANY + 'error = "above 5 s"', 'remove the unit, or set the metric\'s, for example unit = "ms"'),
        (ANY + 'error = "cpu above 5"', "error: unexpected 'cpu': the metric is already set; use 'above 5'"),
        (ANY + 'period = "7m"\nerror = "above 5 for 15 min"', "period: the time of a condition is not a multiple"),
        (ANY + 'period = "1m"\nerror = "above 5 for 25 min 3 of 5"', "period: the time of a condition is not a multiple"),
        (OF + 'error = "cpu above 5 for 1 h 3 of 5"', "error: not enough values in that time: there is one every minute"),
        (ANY + 'error = "above 5 /s"', 'error: "/s" needs the statistic Sum or SampleCount'),
        (OF + 'error = "cpu above 5 %/s"', 'error: "/s" needs the statistic Sum or SampleCount'),
        (
            OF + 'error = "network in above 5 MB/s"\nwarn = "network in above 5 GB"',
            'only some limits have "/s"; use',
        ),
        (ANY + 'period = "2d"\nerror = "above 5"', "period: '2d' is longer than a day"),
        (ANY + 'period = "1m"\nerror = "above 5 for 2 d"', "period: 2,880 data points are too many; the limit is 1,440"),
        (ANY + 'error = "above 5 for 1441 min"', "error: 1,441 data points are too many"),
        ('math = "a / c"\nmetrics = { a = "A B", b = "A C" }\nerror = "above 5"', "math: metrics has no 'c'"),
        ('math = "a"\nmetrics = { a = "A B", b = "A C" }\nerror = "above 5"', "metrics: math does not use 'b'"),
        ('math = "sum([a])"\nmetrics = { a = "A B" }\nerror = "above 5"', "write functions in capitals: SUM"),
        ('math = "a"\nmetrics = { a = "A" }\nerror = "above 5"', "a: invalid metric 'A'"),
        (
            'math = "A1"\nmetrics = { A1 = "A B" }\nerror = "above 5"',
            "metrics: invalid name 'A1'; start with a lower-case letter",
        ),
        ('math = "SEARCH(\'x\', \'Sum\')"\nmetrics = { a = "A B" }\nerror = "above 5"', "math: returns several time series"),
        ('math = "a"\nerror = "above 5"', "metrics: missing; set the metrics of the formula"),
    ],
)
def test_error_names_the_field_and_the_fix(fields: str, error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_of(fields)
    assert error in str(raised.value)
    assert len(set(map(str, raised.value.findings))) == len(raised.value.findings)
