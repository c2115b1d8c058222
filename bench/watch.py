"""Measures time and memory of 500 monitors in one run of the watch at 512 MB.

    make bench-watch                       half a minute
    make bench-watch WATCH=--write         also updates bench/RESULTS.md

200 web servers, 200 CloudWatch metrics and 100 feeds in S3, against MiniStack and a local server, in a separate process. The time
at 512 MB is modelled as in docs/cost.md: wait + CPU × 1769 / 512.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import click

from bench.report import TARGET_COLUMNS, Target, target_rows
from bench.results_file import RESULTS, WATCH_BEGIN, WATCH_END, machine, markdown, put_between
from chalicelib.bot.assembly import make_bot
from chalicelib.platform.clock import utc_now
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import read
from workbench.local.demo.faulty_server import FaultyServer
from workbench.local.ministack import MiniStack, local_client
from workbench.local.resources import apply_stack, make_bucket
from workbench.output import fail, print_json, print_table, say
from workbench.paths import PROJECT

MB, FULL_CPU_MB = 512, 1769
BUCKET, STAGE = "bench-watch", "watch"
COUNTS = {"http": 200, "metric": 200, "freshness": 100}
COLUMNS = ("run", "monitors", "messages", "seconds", "CPU s", f"s at {MB} MB (model)", "peak MB")
RUNS = ("all OK, first check", "all OK", f"{COUNTS['http']} servers fail")
_TOP = """
[bot]
name = "bench"
[email]
from = "bench@example.com"
[people.ben]
email = "ben@example.com"
"""
_MONITOR_FIELDS = {
    "http": 'url = "{url}/{n}"\nfailures = 1\n',
    "metric": 'metric = "Acme/Bench Load{n}"\nerror = "above 80 for 5 min"\n',
    "freshness": 'bucket = "{bucket}"\nkey = "feed-{n}/*.csv"\nnewest = "26h"\n',
}


def settings_text(url: str) -> str:
    """The settings with all monitors."""
    monitors = [
        f'[[monitors]]\nname = "{kind} {n}"\nkind = "{kind}"\nevery = "1m"\nnotify = "email:ben"\n'
        + _MONITOR_FIELDS[kind].format(url=url, n=n, bucket=BUCKET)
        for kind, count in COUNTS.items()
        for n in range(count)
    ]
    return _TOP + "".join(monitors)


def run_child(endpoint: str, url: str) -> None:
    """Run the watch three times in this process and print each result. In the last run every server fails."""
    begun = time.perf_counter()
    settings = read(settings_text(url), environ={}, templates=template_names())
    environ = {"DROPNOTE_LEDGER": f"dropnote-{STAGE}-ledger", "DROPNOTE_STAGE": "prod"}
    bot = make_bot(settings, environ, lambda service, **_: local_client(endpoint, service))
    read_s = time.perf_counter() - begun
    for name in RUNS:
        print(json.dumps({"ready": name}), flush=True)  # noqa: T201  to the parent
        sys.stdin.readline()
        wall, cpu, ends_at = time.perf_counter(), time.process_time(), utc_now() + timedelta(minutes=10)
        result = bot.watch.run(
            settings.monitors,
            lambda ends_at=ends_at: ends_at - utc_now(),  # type: ignore[misc]
            check_all=True,
        )
        measurement = {
            "name": name,
            "checked": result.checked,
            "sent": result.sent,
            "skipped": result.skipped,
            "seconds": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "read_s": read_s,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(measurement), flush=True)  # noqa: T201


def run(on_step: Callable[[str], object]) -> list[dict[str, Any]]:
    """Run the watch three times in a child process, with a new MiniStack."""
    with MiniStack() as ministack, FaultyServer() as server:
        apply_stack(ministack, PROJECT / "resources.yaml", STAGE)
        _provision(ministack)
        command = [sys.executable, "-m", "bench.watch", "--child", ministack.endpoint, server.url]
        measurements: list[dict[str, Any]] = []
        with subprocess.Popen(  # noqa: S603  this program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True
        ) as process:
            for line in process.stdout or ():
                message = json.loads(line)
                if "ready" not in message:
                    measurements.append(message)
                    continue
                on_step(message["ready"])
                server.mode = "failing" if message["ready"] == RUNS[-1] else "well"
                if process.stdin:
                    process.stdin.write("go\n")
                    process.stdin.flush()
    return measurements


def _provision(ministack: MiniStack) -> None:
    make_bucket(ministack, BUCKET)
    ministack.client("sesv2").create_email_identity(EmailIdentity="bench@example.com")
    s3, cloudwatch, now = ministack.client("s3"), ministack.client("cloudwatch"), utc_now()
    for n in range(COUNTS["freshness"]):
        s3.put_object(Bucket=BUCKET, Key=f"feed-{n}/a.csv", Body=b"x")
    for n in range(COUNTS["metric"]):
        data = [{"MetricName": f"Load{n}", "Timestamp": now - timedelta(minutes=ago), "Value": 10.0} for ago in range(12)]
        cloudwatch.put_metric_data(Namespace="Acme/Bench", MetricData=data)


def modelled_s(measurement: dict[str, Any]) -> float:
    """Seconds at MB of memory, modelled."""
    wait = max(measurement["seconds"] - measurement["cpu"], 0)
    return float(wait + measurement["cpu"] * max(1, FULL_CPU_MB / MB))


def rows(measurements: list[dict[str, Any]]) -> list[list[str]]:
    """The table, one row per run."""
    return [
        [
            measurement["name"],
            str(measurement["checked"]),
            str(measurement["sent"]),
            f"{measurement['seconds']:.2f}",
            f"{measurement['cpu']:.2f}",
            f"{modelled_s(measurement):.1f}",
            f"{measurement['peak_mb']:.0f}",
        ]
        for measurement in measurements
    ]


def targets(measurements: list[dict[str, Any]]) -> list[Target]:
    """The targets: everything fits into one invocation, which has 40 of its 60 seconds for checks."""
    return [
        Target(f"longest run at {MB} MB (model), seconds", max(map(modelled_s, measurements)), 40),
        Target("peak memory, MB", max(measurement["peak_mb"] for measurement in measurements), MB),
        Target("monitors skipped for lack of time", sum(measurement["skipped"] for measurement in measurements), 0),
    ]


@click.command()
@click.option("--write", is_flag=True, help="Update the section in bench/RESULTS.md")
@click.option("--json", "json_", is_flag=True, help="Print one JSON document")
@click.option("--child", nargs=2, hidden=True)
def main(write: bool, json_: bool, child: tuple[str, str] | None) -> None:
    """Measure 500 monitors in one run of the watch"""
    if child:
        run_child(*child)
        return
    measurements = run(lambda step: say(f"{step} …", "dim"))
    checked = targets(measurements)
    if json_:
        print_json(measurements)
    else:
        print_table(COLUMNS, rows(measurements))
        print_table(TARGET_COLUMNS, target_rows(checked))
    if write:
        head = (
            f"## 500 monitors in one run\n\nWritten by `make bench-watch WATCH=--write` on {utc_now():%Y-%m-%d}: 200 servers, "
            f"200 metrics and 100 feeds, in a separate process. {machine()}."
        )
        text = f"{head}\n\n{markdown(COLUMNS, rows(measurements))}\n\n{markdown(TARGET_COLUMNS, target_rows(checked))}"
        RESULTS.write_text(put_between(RESULTS.read_text(), text, WATCH_BEGIN, WATCH_END))
    total = sum(COUNTS.values())
    actual = [(measurement["checked"], measurement["sent"]) for measurement in measurements]
    if actual != [(total, 0), (total, 0), (total, COUNTS["http"])]:
        fail(f"unexpected numbers of checks and messages: {actual}")


if __name__ == "__main__":
    main()
