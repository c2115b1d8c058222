"""Ready-made sets: an instance, a database, a function and the bill, from the settings to the results."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pytest

from chalicelib.domain.monitor import CheckResult, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import SettingsError
from tests.monitors.metric.cloudwatch import CloudWatch
from tests.support.builders import NOON, some_settings

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
GB = 1024**3
MARCH = datetime(2026, 3, 1, tzinfo=NOON.tzinfo)
CPU, STATUS, CREDITS = "AWS/EC2 CPUUtilization", "AWS/EC2 StatusCheckFailed", "AWS/EC2 CPUCreditBalance"
ERRORS, CALLS, DURATION = "AWS/Lambda Errors", "AWS/Lambda Invocations", "AWS/Lambda Duration"


@dataclass
class MonitorSet:
    """The monitors of one table, and a CloudWatch double per region."""

    kind: str
    fields: str
    now: datetime = NOON
    regions: dict[str, CloudWatch] = field(default_factory=dict)
    memories: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text = f'\n[[monitors]]\nname = "m"\nkind = "{self.kind}"\nnotify = "email:asha"\n{self.fields}\n'
        self.monitors = {monitor.name: monitor for monitor in some_settings(text).monitors}
        self.checks: dict[str, Any] = {name: monitor.check for name, monitor in self.monitors.items()}

    def cloud(self, region: str = "") -> CloudWatch:
        return self.regions.setdefault(region, CloudWatch())

    def put(
        self, metric: str, values: Callable[[int], float] | float, minutes: int = 60, step: int = 1, **dimensions: str
    ) -> None:
        """Put a sample every `step` minutes up to now; `values` takes how many minutes ago."""
        for ago in range(0, minutes, step):
            value = values(ago) if callable(values) else values
            self.cloud().put(metric, self.now - (ago + 1) * MINUTE, value, **dimensions)

    def results(self) -> dict[str, CheckResult]:
        """Run every check now."""
        context = ProbeContext(lambda service, region_name="": self.cloud(region_name), lambda: MINUTE)
        results: dict[str, CheckResult] = {}
        by_class = sorted(self.checks, key=lambda name: type(self.checks[name]).__name__)
        for check_class, group in groupby(by_class, lambda name: type(self.checks[name])):
            names = list(group)
            observations = check_class.probe_all([self.checks[name] for name in names], context, self.now)
            for name, observation in zip(names, observations, strict=True):
                assert not isinstance(observation, ProbeError), str(observation)
                result = self.checks[name].evaluate(observation, self.now, self.memories.get(name, {}))
                results[name.removeprefix("m").strip()] = result
                self.memories[name] = result.memory
        return results

    def levels(self) -> dict[str, Level]:
        return {name: result.level for name, result in self.results().items()}


def healthy(monitors: MonitorSet) -> MonitorSet:
    """Put the data of a healthy instance."""
    monitors.put(CPU, 20, step=5, InstanceId="i-0abc")
    monitors.put(STATUS, 0, InstanceId="i-0abc")
    monitors.put(CREDITS, 200, step=5, InstanceId="i-0abc")
    return monitors


def test_healthy_instance_is_ok() -> None:
    assert healthy(MonitorSet("instance", 'id = "i-0abc"')).levels() == {"cpu": Level.OK, "credits": Level.OK, "status": Level.OK}


def test_instance_is_hot_after_a_quarter_of_an_hour() -> None:
    hot = MonitorSet("instance", 'id = "i-0abc"')
    hot.put(CPU, lambda ago: 97 if ago < 30 else 20, step=5, InstanceId="i-0abc")
    result = hot.results()["cpu"]
    assert (result.level, result.message, result.value) == (Level.ERROR, "cpu is 97 %, above 90 % for 15 minutes", "97 %")
    brief = MonitorSet("instance", 'id = "i-0abc"')
    brief.put(CPU, lambda ago: 97 if ago < 10 else 20, step=5, InstanceId="i-0abc")
    assert brief.results()["cpu"].level is Level.OK


def test_instance_that_fails_its_status_checks_or_runs_out_of_credits() -> None:
    failing = MonitorSet("instance", 'id = "i-0abc"')
    failing.put(STATUS, lambda ago: 1 if ago < 8 else 0, InstanceId="i-0abc")
    failing.put(CREDITS, 4.2, step=5, InstanceId="i-0abc")
    levels = failing.levels()
    assert (levels["status"], levels["credits"]) == (Level.ERROR, Level.ERROR)


def test_data_of_another_instance_is_ignored() -> None:
    other = MonitorSet("instance", 'id = "i-0def"')
    assert healthy(other).levels()["cpu"] is Level.UNKNOWN


def running(hours: int, now: datetime) -> MonitorSet:
    """An instance that has run for some hours this month, and on the last day of the previous month."""
    monitors = MonitorSet("instance", 'id = "i-0abc"\nhours = "160 per month"\ncpu = "off"\ncredits = "off"\nstatus = "off"', now)
    for minute in range(-24 * 60, hours * 60):
        monitors.cloud().put(STATUS, MARCH + minute * MINUTE, 0, InstanceId="i-0abc")
    return monitors


def test_running_hours_are_the_minutes_with_status_checks() -> None:
    results = [running(hours, MARCH + timedelta(days=10)).results()["hours"] for hours in (100, 130, 161)]
    assert [result.level for result in results] == [Level.OK, Level.WARNING, Level.ERROR]
    assert results[2].message == "has run 161 of its 160 hours this month"
    runs_out = "at this pace the allowance runs out on 13 Mar"  # ten days for 130
    assert results[1].message == f"has run 130 of its 160 hours this month; {runs_out}"


def test_new_month_starts_at_zero() -> None:
    monitors = running(0, MARCH)
    for minute in range(4):  # immediately, and after the first minutes
        monitors.now = MARCH + minute * MINUTE
        assert monitors.results()["hours"].level is Level.OK


def test_database() -> None:
    monitors = MonitorSet("database", 'id = "orders-db"\nconnections = "above 90"')
    monitors.put("AWS/RDS FreeStorageSpace", 4.5 * GB, DBInstanceIdentifier="orders-db")
    monitors.put("AWS/RDS CPUUtilization", 12, DBInstanceIdentifier="orders-db")
    monitors.put("AWS/RDS DatabaseConnections", 91, DBInstanceIdentifier="orders-db")
    results = monitors.results()
    assert {name: result.level for name, result in results.items()} == {
        "storage": Level.ERROR,
        "cpu": Level.OK,
        "connections": Level.ERROR,
        "lag": Level.OK,  # not a replica
        "replication": Level.OK,
    }
    assert results["storage"].message.startswith("free storage is 4.5 GB, below 5 GB")
    monitors.put("AWS/RDS ReplicaLag", 75, DBInstanceIdentifier="orders-db")
    assert monitors.results()["lag"].level is Level.ERROR


def test_stopped_replication_is_an_error() -> None:
    monitors = MonitorSet("database", 'id = "orders-db"')
    monitors.put("AWS/RDS ReplicaLag", -1, DBInstanceIdentifier="orders-db")
    levels = monitors.levels()
    assert (levels["lag"], levels["replication"]) == (Level.OK, Level.ERROR)


@pytest.mark.parametrize(
    ("errors", "calls", "level"),
    [(6, 100, Level.ERROR), (5, 100, Level.OK), (0, 100, Level.OK), (0, 0, Level.OK), (1, 1, Level.ERROR)],
)
def test_error_rate_of_a_function(errors: int, calls: int, level: Level) -> None:
    monitors = MonitorSet("lambda", 'function = "orders"')
    for minute in range(60) if calls else ():
        at = NOON - (minute + 1) * MINUTE
        monitors.cloud().put(CALLS, at, calls, FunctionName="orders")
        monitors.cloud().put(ERRORS, at, errors, FunctionName="orders")
    result = monitors.results()["errors"]
    assert result.level is level
    if errors == 6:
        assert result.message == "error rate is 6 %, above 5 % for 10 minutes"


def test_stopped_replication_is_not_a_short_lag() -> None:
    monitors = MonitorSet("database", 'id = "orders-db"')
    monitors.put("AWS/RDS ReplicaLag", -1, DBInstanceIdentifier="orders-db")
    results = monitors.results()
    assert (results["lag"].level, results["replication"].level) == (Level.OK, Level.ERROR)
    assert results["replication"].message == "replica lag is -1 s, below 0 s for 5 minutes"


@pytest.mark.parametrize(
    ("more", "level"), [("", Level.UNKNOWN), ('missing = "ok"', Level.OK), ('missing = "error"', Level.ERROR)]
)
def test_stopped_instance_has_the_level_in_the_settings(more: str, level: Level) -> None:
    levels = MonitorSet("instance", f'id = "i-0abc"\n{more}').levels()
    assert levels == {"cpu": level, "credits": Level.OK, "status": Level.OK}


def test_metrics_are_read_in_the_region_of_the_set() -> None:
    monitors = MonitorSet("lambda", 'function = "orders"\nregion = "eu-west-1"\ngb_seconds = "9"\nmemory = 128')
    monitors.results()
    assert list(monitors.regions) == ["eu-west-1"]


def test_errors_of_a_function_are_counted_if_the_limit_is_a_number() -> None:
    monitors = MonitorSet("lambda", 'function = "orders"\nerrors = "at least 3"')
    monitors.cloud().put(ERRORS, NOON - 7 * MINUTE, 1, 1, 1, FunctionName="orders")
    monitors.cloud().put(CALLS, NOON - 7 * MINUTE, 1000, FunctionName="orders")
    assert monitors.results()["errors"].message == "number of errors is 3, at least 3"


def test_function_that_is_throttled_or_slow() -> None:
    monitors = MonitorSet("lambda", 'function = "orders"\nduration = "above 2 s for 10 min"')
    monitors.put("AWS/Lambda Throttles", 1, FunctionName="orders")
    monitors.put(DURATION, 2500, FunctionName="orders")
    results = monitors.results()
    assert (results["throttles"].level, results["duration"].level) == (Level.ERROR, Level.ERROR)


def test_gb_seconds_of_a_function() -> None:
    more = 'function = "orders"\ngb_seconds = "400 per month"\nmemory = 512\nerrors = "off"\nthrottles = "off"'
    monitors = MonitorSet("lambda", more, MARCH + timedelta(days=3))
    monitors.put(DURATION, 60_000, minutes=12, FunctionName="orders")  # twelve minutes with half a GB
    assert monitors.levels() == {"gb-seconds": Level.WARNING}  # 360


@pytest.mark.parametrize(("cost", "level"), [(15.9, Level.OK), (16.5, Level.WARNING), (21.4, Level.ERROR)])
def test_bill_is_read_in_us_east_1(cost: float, level: Level) -> None:
    monitors = MonitorSet("bill", 'over = "20 USD"')
    for hours in range(4, 40, 6):
        monitors.cloud("us-east-1").put("AWS/Billing EstimatedCharges", NOON - hours * HOUR, cost, Currency="USD")
    result = monitors.results()[""]
    assert (result.level, list(monitors.regions)) == (level, ["us-east-1"])
    assert monitors.monitors["m"].alert_policy.every == 6 * HOUR
    if level is Level.ERROR:
        assert "cost is 21.40 USD, above 20" in result.message


def test_bill_of_one_service() -> None:
    monitors = MonitorSet("bill", 'over = "20 USD"\nservice = "AmazonEC2"')
    monitors.cloud("us-east-1").put("AWS/Billing EstimatedCharges", NOON - 5 * HOUR, 30, Currency="USD", ServiceName="AmazonEC2")
    assert monitors.results()[""].level is Level.ERROR


def test_monitors_of_a_set_are_switched_off_and_changed() -> None:
    monitors = MonitorSet("instance", 'id = "i-0abc"\ncpu = "above 50 % for 5 min"\ncredits = "off"')
    monitors.put(CPU, 60, step=5, InstanceId="i-0abc")
    monitors.put(STATUS, 0, InstanceId="i-0abc")
    assert monitors.levels() == {"cpu": Level.ERROR, "status": Level.OK}


def test_metric_math_in_the_settings_is_computed() -> None:
    more = """
        math = "100 * errors / (hits + misses)"
        unit = "%"
        error = "above 5 % for 10 min"
        metrics.errors = "Acme Errors App=shop Sum"
        metrics.hits = "Acme Hits App=shop Sum"
        metrics.misses = "Acme Misses App=shop Sum"
    """
    monitors = MonitorSet("metric", more)
    for name, value in (("Errors", 6), ("Hits", 60), ("Misses", 40)):
        monitors.put(f"Acme {name}", value, App="shop")
    result = monitors.results()[""]
    assert (result.level, result.value) == (Level.ERROR, "6 %")


@pytest.mark.parametrize(
    ("kind", "fields", "error"),
    [
        ("instance", "", "id: missing; set it"),
        ("instance", 'id = "i-0abc"\ncpu = "above 5 GB"', "cpu: wrong unit in 'above 5 GB'"),
        ("instance", 'id = "i-0abc"\nhours = "many"', "hours: invalid allowance"),
        ("database", 'id = "orders-db"\nconections = "above 90"', "did you mean 'connections'?"),
        ("instance", 'id = "web-1"', "id: invalid name 'web-1'; use for example \"i-0abc123\""),
        ("instance", 'id = "i-0abc"\nregion = "here"', "region: invalid region 'here'"),
        ("instance", 'id = "i-0abc"\nhours = "0 per month"', "hours: invalid allowance"),
        ("lambda", 'function = "orders"\ngb_seconds = "400000"', "memory: missing; gb_seconds needs it"),
        ("lambda", 'function = "orders"\nmemory = 256', "gb_seconds: missing; memory needs it"),
        ("lambda", 'function = "orders"\nerrors = "above 5 % for 2 d"', "errors: must not be longer than a day"),
        ("lambda", 'function = "orders"\nduration = "above 2"', "duration: 'above 2' has no unit; use one of: ms, s, min"),
        ("lambda", 'function = "orders"\ngb_seconds = "400000"\nmemory = 64', "memory: 64 is out of range; use 128 to 10240"),
        ("bill", "", "over: missing; set it, for example over = "),
        ("bill", 'over = "20 EUR"', "over: invalid amount '20 EUR'"),
    ],
)
def test_error_names_the_field_and_the_fix(kind: str, fields: str, error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        MonitorSet(kind, fields)
    assert error in str(raised.value)
    assert len(set(map(str, raised.value.findings))) == len(raised.value.findings)
