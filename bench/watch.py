"""500 monitors in one run of the watch, at 512 MB: how long it takes, and how much memory.

    make bench-watch                       half a minute
    make bench-watch WATCH=--write         also into bench/RESULTS.md

200 web servers, 200 metrics of CloudWatch, 100 feeds of S3, against MiniStack and a local server, in a process of its own. Time
at 512 MB is the model of docs/cost.md: wait + CPU × 1769 / 512.
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
from bench.written import RESULTS, WATCH_BEGIN, WATCH_END, machine, markdown, put_between
from chalicelib.assembly import make_bot
from chalicelib.platform.clock import utc_now
from chalicelib.rendering.renderer import template_names
from chalicelib.settings.reader import read
from workbench.local.demo.faulty_server import FaultyServer
from workbench.local.ministack import MiniStack, local_client
from workbench.local.resources import apply_stack, make_bucket
from workbench.output import as_json, fail, say, table
from workbench.paths import PROJECT

MB, FULL_MB = 512, 1769  # a whole processor
BUCKET, STAGE = "bench-watch", "watch"
COUNTS = {"http": 200, "metric": 200, "freshness": 100}
COLUMNS = ("run", "monitors", "messages", "seconds", "CPU s", f"s at {MB} MB, by the model", "peak MB")
_TOP = """
[bot]
name = "bench"
[email]
from = "bench@example.com"
[people.ben]
email = "ben@example.com"
"""
_EACH = {
    "http": 'url = "{url}/{n}"\nfailures = 1\n',
    "metric": 'metric = "Acme/Bench Load{n}"\nerror = "above 80 for 5 min"\n',
    "freshness": 'bucket = "{bucket}"\nkey = "feed-{n}/*.csv"\nnewest = "26h"\n',
}


def settings_text(url: str) -> str:
    """The settings of all monitors."""
    tables = [
        f'[[monitors]]\nname = "{kind} {n}"\nkind = "{kind}"\nevery = "1m"\nnotify = "email:ben"\n'
        + _EACH[kind].format(url=url, n=n, bucket=BUCKET)
        for kind, count in COUNTS.items()
        for n in range(count)
    ]
    return _TOP + "".join(tables)


def child(endpoint: str, url: str) -> None:
    """Run the watch three times in this process, and tell of each: the first opens nothing, in the second every server fails."""
    begun = time.perf_counter(), time.process_time()
    settings = read(settings_text(url), environ={}, templates=template_names())
    environ = {"DROPNOTE_LEDGER": f"dropnote-{STAGE}-ledger", "DROPNOTE_STAGE": "prod"}
    bot = make_bot(settings, environ, lambda service, **_: local_client(endpoint, service))
    read_s = time.perf_counter() - begun[0]
    for name in ("all well, the first look", "all well", "200 servers fail"):
        print(json.dumps({"ready": name}), flush=True)  # noqa: T201  to the parent
        sys.stdin.readline()
        wall, cpu, ends = time.perf_counter(), time.process_time(), utc_now() + timedelta(minutes=10)
        done = bot.watch.run(settings.monitors, lambda ends=ends: ends - utc_now(), now_all=True)  # type: ignore[misc]
        told = {
            "name": name,
            "looked": done.looked,
            "told": done.told,
            "left": done.left,
            "seconds": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "read_s": read_s,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(told), flush=True)  # noqa: T201


def run(say_step: Callable[[str], object]) -> list[dict[str, Any]]:
    """The three runs, in a world of their own."""
    with MiniStack() as ministack, FaultyServer() as server:
        apply_stack(ministack, PROJECT / "resources.yaml", STAGE)
        _furnish(ministack)
        command = [sys.executable, "-m", "bench.watch", "--child", ministack.endpoint, server.url]
        found: list[dict[str, Any]] = []
        with subprocess.Popen(  # noqa: S603  this very program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True
        ) as process:
            for line in process.stdout or ():
                told = json.loads(line)
                if "ready" not in told:
                    found.append(told)
                    continue
                say_step(told["ready"])
                server.mode = "failing" if "fail" in told["ready"] else "well"
                if process.stdin:
                    process.stdin.write("go\n")
                    process.stdin.flush()
    return found


def _furnish(ministack: MiniStack) -> None:
    make_bucket(ministack, BUCKET)
    ministack.client("sesv2").create_email_identity(EmailIdentity="bench@example.com")
    s3, cloudwatch, now = ministack.client("s3"), ministack.client("cloudwatch"), utc_now()
    for n in range(COUNTS["freshness"]):
        s3.put_object(Bucket=BUCKET, Key=f"feed-{n}/a.csv", Body=b"x")
    for n in range(COUNTS["metric"]):
        data = [{"MetricName": f"Load{n}", "Timestamp": now - timedelta(minutes=each), "Value": 10.0} for each in range(12)]
        cloudwatch.put_metric_data(Namespace="Acme/Bench", MetricData=data)


def modelled(found: dict[str, Any]) -> float:
    """Seconds at MB of memory, by the model."""
    wait = max(found["seconds"] - found["cpu"], 0)
    return float(wait + found["cpu"] * max(1, FULL_MB / MB))


def rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """A row a run."""
    return [
        [
            each["name"],
            str(each["looked"]),
            str(each["told"]),
            f"{each['seconds']:.2f}",
            f"{each['cpu']:.2f}",
            f"{modelled(each):.1f}",
            f"{each['peak_mb']:.0f}",
        ]
        for each in found
    ]


def targets(found: list[dict[str, Any]]) -> list[Target]:
    """All within one invocation: 40 of its 60 seconds are for looking."""
    return [
        Target(f"seconds of a run at {MB} MB, the longest, by the model", max(map(modelled, found)), 40),
        Target("peak memory, MB", max(each["peak_mb"] for each in found), MB),
        Target("monitors that were left for want of time", sum(each["left"] for each in found), 0),
    ]


@click.command()
@click.option("--write", is_flag=True, help="Into bench/RESULTS.md.")
@click.option("--json", "json_", is_flag=True, help="One JSON document.")
@click.option("--child", nargs=2, hidden=True)
def main(write: bool, json_: bool, child: tuple[str, str] | None) -> None:
    """500 monitors in one run of the watch."""
    if child:
        _child(*child)
        return
    found = run(lambda step: say(f"{step} …", "dim"))
    held = targets(found)
    if json_:
        as_json(found)
    else:
        table(COLUMNS, rows(found))
        table(TARGET_COLUMNS, target_rows(held))
    if write:
        head = (
            f"## 500 monitors in one run\n\nWritten by `make bench-watch WATCH=--write` on {utc_now():%Y-%m-%d}: 200 servers, "
            f"200 metrics, 100 feeds, in a process of their own. {machine()}."
        )
        text = f"{head}\n\n{markdown(COLUMNS, rows(found))}\n\n{markdown(TARGET_COLUMNS, target_rows(held))}"
        RESULTS.write_text(put_between(RESULTS.read_text(), text, WATCH_BEGIN, WATCH_END))
    wrong = [each for each, count in zip(found, (500, 500, 500), strict=True) if each["looked"] != count]
    if wrong or [each["told"] for each in found] != [0, 0, COUNTS["http"]]:
        fail(f"not what was to be: {[(each['looked'], each['told']) for each in found]}")


_child = child


if __name__ == "__main__":
    main()
