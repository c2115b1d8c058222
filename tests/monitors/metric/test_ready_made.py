"""Ready-made sets: an instance, a database, a function and the bill, from the settings to what is told."""

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
class Set:
    """The monitors of one table, and the CloudWatch that they look at, by region."""

    kind: str
    more: str
    now: datetime = NOON
    regions: dict[str, CloudWatch] = field(default_factory=dict)
    memories: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text = f'\n[[monitors]]\nname = "m"\nkind = "{self.kind}"\nnotify = "email:asha"\n{self.more}\n'
        self.monitors = {monitor.name: monitor for monitor in some_settings(text).monitors}
        self.checks: dict[str, Any] = {name: monitor.check for name, monitor in self.monitors.items()}

    def cloud(self, region: str = "") -> CloudWatch:
        return self.regions.setdefault(region, CloudWatch())

    def put(
        self, metric: str, values: Callable[[int], float] | float, minutes: int = 60, step: int = 1, **dimensions: str
    ) -> None:
        """A sample each `step` minutes up to now; `values` by how many minutes ago."""
        for ago in range(0, minutes, step):
            value = values(ago) if callable(values) else values
            self.cloud().put(metric, self.now - (ago + 1) * MINUTE, value, **dimensions)

    def probe(self) -> dict[str, CheckResult]:
        """What each amounts to now."""
        reach = ProbeContext(lambda service, region_name="": self.cloud(region_name), lambda: MINUTE)
        results: dict[str, CheckResult] = {}
        for _, some in groupby(
            sorted(self.checks, key=lambda name: type(self.checks[name]).__name__), lambda name: type(self.checks[name])
        ):
            names = list(some)
            seen = type(self.checks[names[0]]).probe_all([self.checks[name] for name in names], reach, self.now)
            for name, each in zip(names, seen, strict=True):
                assert not isinstance(each, ProbeError), str(each)
                results[name.removeprefix("m").strip()] = self.checks[name].evaluate(each, self.now, self.memories.get(name, {}))
                self.memories[name] = results[name.removeprefix("m").strip()].memory
        return results

    def levels(self) -> dict[str, Level]:
        return {name: result.level for name, result in self.probe().items()}


def well(of: Set) -> Set:
    """An instance that is well."""
    of.put(CPU, 20, step=5, InstanceId="i-0abc")
    of.put(STATUS, 0, InstanceId="i-0abc")
    of.put(CREDITS, 200, step=5, InstanceId="i-0abc")
    return of


def test_instance_that_is_well_is_quiet() -> None:
    assert well(Set("instance", 'id = "i-0abc"')).levels() == {"cpu": Level.OK, "credits": Level.OK, "status": Level.OK}


def test_instance_is_hot_when_it_is_for_a_quarter_of_an_hour() -> None:
    hot = Set("instance", 'id = "i-0abc"')
    hot.put(CPU, lambda ago: 97 if ago < 30 else 20, step=5, InstanceId="i-0abc")
    result = hot.probe()["cpu"]
    assert (result.level, result.says, result.value) == (Level.ERROR, "cpu is 97 %, above 90 % for 15 minutes", "97 %")
    brief = Set("instance", 'id = "i-0abc"')
    brief.put(CPU, lambda ago: 97 if ago < 10 else 20, step=5, InstanceId="i-0abc")
    assert brief.probe()["cpu"].level is Level.OK


def test_instance_that_fails_its_status_checks_or_runs_out_of_credits() -> None:
    ill = Set("instance", 'id = "i-0abc"')
    ill.put(STATUS, lambda ago: 1 if ago < 8 else 0, InstanceId="i-0abc")
    ill.put(CREDITS, 4.2, step=5, InstanceId="i-0abc")
    levels = ill.levels()
    assert (levels["status"], levels["credits"]) == (Level.ERROR, Level.ERROR)


def test_another_instance_says_nothing_of_this_one() -> None:
    other = Set("instance", 'id = "i-0def"')
    assert well(other).levels()["cpu"] is Level.UNKNOWN


def running(hours: int, now: datetime) -> Set:
    """An instance that has run so long this month, and the last day of the month before."""
    some = Set("instance", 'id = "i-0abc"\nhours = "160 per month"\ncpu = "off"\ncredits = "off"\nstatus = "off"', now)
    for minute in range(-24 * 60, hours * 60):
        some.cloud().put(STATUS, MARCH + minute * MINUTE, 0, InstanceId="i-0abc")
    return some


def test_hours_of_the_month_are_counted_by_the_minutes_that_status_checks_came() -> None:
    told = [running(hours, MARCH + timedelta(days=10)).probe()["hours"] for hours in (100, 130, 161)]
    assert [each.level for each in told] == [Level.OK, Level.WARNING, Level.ERROR]
    assert told[2].says == "has run 161 of its 160 hours this month"
    assert told[1].says == "has run 130 of its 160 hours this month; at this pace it is used up on 13 Mar"  # ten days for 130


def test_new_month_begins_with_nothing() -> None:
    some = running(0, MARCH)
    for minute in range(4):  # at once, and when there is a minute of it
        some.now = MARCH + minute * MINUTE
        assert some.probe()["hours"].level is Level.OK


def test_database() -> None:
    some = Set("database", 'id = "orders-db"\nconnections = "above 90"')
    some.put("AWS/RDS FreeStorageSpace", 4.5 * GB, DBInstanceIdentifier="orders-db")
    some.put("AWS/RDS CPUUtilization", 12, DBInstanceIdentifier="orders-db")
    some.put("AWS/RDS DatabaseConnections", 91, DBInstanceIdentifier="orders-db")
    results = some.probe()
    assert {name: result.level for name, result in results.items()} == {
        "storage": Level.ERROR,
        "cpu": Level.OK,
        "connections": Level.ERROR,
        "lag": Level.OK,  # it is no replica
        "replication": Level.OK,
    }
    assert results["storage"].says.startswith("free storage is 4.5 GB, below 5 GB")
    some.put("AWS/RDS ReplicaLag", 75, DBInstanceIdentifier="orders-db")
    assert some.probe()["lag"].level is Level.ERROR


def test_replication_that_stands_still() -> None:
    some = Set("database", 'id = "orders-db"')
    some.put("AWS/RDS ReplicaLag", -1, DBInstanceIdentifier="orders-db")
    levels = some.levels()
    assert (levels["lag"], levels["replication"]) == (Level.OK, Level.ERROR)


@pytest.mark.parametrize(
    ("errors", "calls", "level"),
    [(6, 100, Level.ERROR), (5, 100, Level.OK), (0, 100, Level.OK), (0, 0, Level.OK), (1, 1, Level.ERROR)],
)
def test_share_of_errors_of_a_function(errors: int, calls: int, level: Level) -> None:
    some = Set("lambda", 'function = "orders"')
    for minute in range(60) if calls else ():
        at = NOON - (minute + 1) * MINUTE
        some.cloud().put(CALLS, at, calls, FunctionName="orders")
        some.cloud().put(ERRORS, at, errors, FunctionName="orders")
    result = some.probe()["errors"]
    assert result.level is level
    if errors == 6:
        assert result.says == "share of errors is 6 %, above 5 % for 10 minutes"


def test_replication_that_stands_still_is_no_short_lag() -> None:
    some = Set("database", 'id = "orders-db"')
    some.put("AWS/RDS ReplicaLag", -1, DBInstanceIdentifier="orders-db")
    results = some.probe()
    assert (results["lag"].level, results["replication"].level) == (Level.OK, Level.ERROR)
    assert results["replication"].says == "replica lag is -1 s, below 0 s for 5 minutes"


@pytest.mark.parametrize(
    ("more", "level"), [("", Level.UNKNOWN), ('missing = "ok"', Level.OK), ('missing = "error"', Level.ERROR)]
)
def test_instance_that_is_stopped_is_what_the_settings_say(more: str, level: Level) -> None:
    levels = Set("instance", f'id = "i-0abc"\n{more}').levels()
    assert levels == {"cpu": level, "credits": Level.OK, "status": Level.OK}


def test_set_is_looked_at_in_its_region() -> None:
    some = Set("lambda", 'function = "orders"\nregion = "eu-west-1"\ngb_seconds = "9"\nmemory = 128')
    some.probe()
    assert list(some.regions) == ["eu-west-1"]


def test_errors_of_a_function_are_counted_where_the_limit_is_a_number() -> None:
    some = Set("lambda", 'function = "orders"\nerrors = "at least 3"')
    some.cloud().put(ERRORS, NOON - 7 * MINUTE, 1, 1, 1, FunctionName="orders")
    some.cloud().put(CALLS, NOON - 7 * MINUTE, 1000, FunctionName="orders")
    assert some.probe()["errors"].says == "number of errors is 3, at least 3"


def test_function_that_is_throttled_or_slow() -> None:
    some = Set("lambda", 'function = "orders"\nduration = "above 2 s for 10 min"')
    some.put("AWS/Lambda Throttles", 1, FunctionName="orders")
    some.put(DURATION, 2500, FunctionName="orders")
    results = some.probe()
    assert (results["throttles"].level, results["duration"].level) == (Level.ERROR, Level.ERROR)


def test_gb_seconds_of_a_function() -> None:
    more = 'function = "orders"\ngb_seconds = "400 per month"\nmemory = 512\nerrors = "off"\nthrottles = "off"'
    some = Set("lambda", more, MARCH + timedelta(days=3))
    some.put(DURATION, 60_000, minutes=12, FunctionName="orders")  # twelve minutes of half a GB
    assert some.levels() == {"gb-seconds": Level.WARNING}  # 360


@pytest.mark.parametrize(("cost", "level"), [(15.9, Level.OK), (16.5, Level.WARNING), (21.4, Level.ERROR)])
def test_bill_is_looked_at_where_it_is(cost: float, level: Level) -> None:
    some = Set("bill", 'over = "20 USD"')
    for hours in range(4, 40, 6):
        some.cloud("us-east-1").put("AWS/Billing EstimatedCharges", NOON - hours * HOUR, cost, Currency="USD")
    result = some.probe()[""]
    assert (result.level, list(some.regions)) == (level, ["us-east-1"])
    assert some.monitors["m"].alert_policy.every == 6 * HOUR
    if level is Level.ERROR:
        assert "cost is 21.40 USD, above 20" in result.says


def test_bill_of_one_service() -> None:
    some = Set("bill", 'over = "20 USD"\nservice = "AmazonEC2"')
    some.cloud("us-east-1").put("AWS/Billing EstimatedCharges", NOON - 5 * HOUR, 30, Currency="USD", ServiceName="AmazonEC2")
    assert some.probe()[""].level is Level.ERROR


def test_parts_are_left_out_and_take_other_conditions() -> None:
    some = Set("instance", 'id = "i-0abc"\ncpu = "above 50 % for 5 min"\ncredits = "off"')
    some.put(CPU, 60, step=5, InstanceId="i-0abc")
    some.put(STATUS, 0, InstanceId="i-0abc")
    assert some.levels() == {"cpu": Level.ERROR, "status": Level.OK}


def test_metric_math_of_the_settings_is_reckoned() -> None:
    more = """
        math = "100 * errors / (hits + misses)"
        unit = "%"
        error = "above 5 % for 10 min"
        metrics.errors = "Acme Errors App=shop Sum"
        metrics.hits = "Acme Hits App=shop Sum"
        metrics.misses = "Acme Misses App=shop Sum"
    """
    some = Set("metric", more)
    for name, value in (("Errors", 6), ("Hits", 60), ("Misses", 40)):
        some.put(f"Acme {name}", value, App="shop")
    result = some.probe()[""]
    assert (result.level, result.value) == (Level.ERROR, "6 %")


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("instance", "", "id: it is missing"),
        ("instance", 'id = "i-0abc"\ncpu = "above 5 GB"', "unit that does not fit"),
        ("instance", 'id = "i-0abc"\nhours = "many"', "is no allowance"),
        ("database", 'id = "orders-db"\nconections = "above 90"', "did you mean 'connections'?"),
        ("instance", 'id = "web-1"', "id: 'web-1' is no name of that; such as \"i-0abc123\""),
        ("instance", 'id = "i-0abc"\nregion = "here"', "region: 'here' is no region"),
        ("instance", 'id = "i-0abc"\nhours = "0 per month"', "is no allowance"),
        ("lambda", 'function = "orders"\ngb_seconds = "400000"', "memory: gb_seconds needs it"),
        ("lambda", 'function = "orders"\nmemory = 256', "gb_seconds: memory needs it"),
        ("lambda", 'function = "orders"\nerrors = "above 5 % for 2 d"', "errors: that is more than a day"),
        ("lambda", 'function = "orders"\nduration = "above 2"', "does not say of what; it is in ms, s, min"),
        ("lambda", 'function = "orders"\ngb_seconds = "400000"\nmemory = 64', "64 is not between 128 and 10240"),
        ("bill", "", "over: it is missing"),
        ("bill", 'over = "20 EUR"', "is no amount"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(kind: str, more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Set(kind, more)
    assert told in str(refused.value)
    assert len(set(map(str, refused.value.findings))) == len(refused.value.findings)
