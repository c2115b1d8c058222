"""The steps of a smoke test: create a bucket, set up, deploy, upload, repeat, monitor. At the end, everything is removed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.event import Event
from chalicelib.platform.clock import utc_now
from chalicelib.platform.function_names import function_name
from chalicelib.store.ledger import Ledger

from ...deployment.grants import APP
from ...deployment.setup import Client
from ...waiting import wait_until
from ..runner import CommandFailed, Runner
from .leftovers import Leftovers
from .plan import FEED, KEY, MONITOR, RULE, SmokePlan
from .report import Report, StepFailed
from .signals import sigterm_as_ctrl_c, uninterrupted

ERRORS = (CommandFailed, StepFailed, ClientError, BotoCoreError)
_ENDED = (State.SENT, State.DELIVERED)
_FAILED = (State.FAILED, State.EXPIRED, State.UNDELIVERED, State.DROPPED)


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds."""

    message_s: float = 240.0  # the first seconds after a deploy may be denied, and the sweep tries again once a minute
    removal_s: float = 300.0  # AWS deletes tables in the background
    pause_s: float = 2.0


@dataclass
class Smoke:
    """One smoke test in an account. `client` creates boto3 clients for it, `runner` runs commands in the test's checkout.

    `inbox` counts the messages that have arrived, where that can be known.
    """

    plan: SmokePlan
    region: str
    client: Client
    runner: Runner
    report: Report
    secrets: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = Patience()
    inbox: Callable[[], int] | None = None

    def run(self) -> bool:
        """Run all steps. A step that fails ends the test. Everything is removed in any case. Return whether all went well."""
        steps = {
            "create a bucket": self._create_bucket,
            "set up": self._set_up,
            "deploy": self._deploy,
            "upload and receive": self._upload,
            "repeat": self._repeat,
            "monitor": self._monitor,
            "doctor": self._doctor,
        }
        try:
            with sigterm_as_ctrl_c():
                for title, step in steps.items():
                    with self.report.step(title):
                        step()
        except (*ERRORS, KeyboardInterrupt):
            done = {step.title for step in self.report.steps}
            for title in steps:
                if title not in done:
                    self.report.skip(title)
        finally:
            self.clean_up()
        return self.report.passed

    def _create_bucket(self) -> None:
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        self.client("s3").create_bucket(Bucket=self.plan.bucket, **where)
        self._ok(f"bucket {self.plan.bucket}")

    def _set_up(self) -> None:
        self._dropnote("setup", "--yes", variables=self.secrets)
        self._dropnote("package")

    def _deploy(self) -> None:
        self.runner.run("chalice", "deploy", "--stage", self.plan.stage)
        self._dropnote("finish")
        functions = [leftover for leftover in Leftovers(self.client, self.plan.stage).of_chalice() if leftover.kind == "function"]
        self._ok(f"{len(functions)} functions deployed")

    def _upload(self) -> None:
        self.client("s3").put_object(Bucket=self.plan.bucket, Key=KEY, Body=b"Dropnote smoke test\n")
        self._receive("the upload", RULE, 1)

    def _repeat(self) -> None:
        """Deliver the same event twice more, as S3 may: nothing is sent."""
        before, arrived = self._rows(RULE), self.inbox and self.inbox()
        payload = json.dumps(notification(before[0].event)).encode()
        name = f"{APP}-{self.plan.stage}-{function_name('upload', self.plan.bucket)}"
        for _ in range(2):
            response = self.client("lambda").invoke(FunctionName=name, Payload=payload)
            if "FunctionError" in response:
                raise StepFailed(f"{name} failed: {response['Payload'].read().decode(errors='replace')[:300]}")
        after = self._rows(RULE)
        if {(row.id, row.sent_at) for row in after} != {(row.id, row.sent_at) for row in before}:
            raise StepFailed(f"the repeated event was sent again: {len(before)} deliveries before, {len(after)} after")
        if self.inbox and self.inbox() != arrived:
            raise StepFailed(f"the inbox has {self.inbox()} messages instead of {arrived}")
        self._ok("the event was delivered twice more, and nothing was sent again")

    def _monitor(self) -> None:
        """Report a file that is missing, and that it arrived."""
        self._dropnote("run", "watch_now", f"monitor={MONITOR}", "--json")
        self._receive("the late file", MONITOR, 1)
        self.client("s3").put_object(Bucket=self.plan.bucket, Key=FEED, Body=b"day\n")
        self._dropnote("run", "watch_now", f"monitor={MONITOR}", "--json")
        self._receive("its arrival", MONITOR, 2)

    def _doctor(self) -> None:
        """Add the doctor's findings to the report: they do not fail the test, because some take a day to fix."""
        for line in self.runner.run("dropnote", "doctor", "--stage", self.plan.stage, status=None).splitlines():
            self.report.line(f"  {line}")

    def _receive(self, what: str, rule: str, times: int) -> None:
        """Wait until the ledger has `times` messages by each channel, all sent."""
        expected = times * len(self.plan.channels)

        def ended() -> bool:
            rows = self._rows(rule)
            return len(rows) >= expected and all(row.state in (*_ENDED, *_FAILED) for row in rows)

        wait_until(ended, self.patience.message_s, self.patience.pause_s)
        rows = self._rows(rule)
        states = ", ".join(f"{row.channel} {row.state}{f' ({row.detail})' if row.detail else ''}" for row in rows)
        if len(rows) != expected or any(row.state not in _ENDED for row in rows):
            raise StepFailed(f"{what}: expected {expected} sent messages, the ledger has: {states or 'none'}")
        if self.inbox and not wait_until(lambda: self.inbox and self.inbox() >= self._sent(), 5.0, 0.1):
            raise StepFailed(f"{what}: sent, but not in the inbox")
        self._ok(f"{what}: {states}")

    def _rows(self, rule: str) -> list[Delivery]:
        now, ledger = utc_now(), Ledger(self.client("dynamodb"), f"{APP}-{self.plan.stage}-ledger")
        rows = (row for row in ledger.newest(now - timedelta(hours=6), now + timedelta(minutes=5)) if isinstance(row, Delivery))
        return [row for row in rows if row.rule == rule]

    def _sent(self) -> int:
        return len(self._rows(RULE)) + len(self._rows(MONITOR))

    def clean_up(self) -> bool:
        """Remove everything. Ctrl-C has no effect until it is done. Return whether the whole report is good."""
        try:
            with uninterrupted(), self.report.step("remove"):
                self._remove()
        except ERRORS:
            again = f".venv/bin/dropnote smoke --stage {self.plan.source} --clean {self.plan.stage}"
            self.report.print_line(f"Not everything was removed. Run: {again}", "red")
        return self.report.passed

    def _remove(self) -> None:
        failed: list[str] = []
        for remove in (self._remove_stage, self._remove_leftovers, self._remove_bucket):
            try:
                remove()
            except ERRORS as error:  # the rest is removed all the same
                failed.append(f"{error}")
        left = Leftovers(self.client, self.plan.stage)
        remaining: list[str] = []

        def gone() -> bool:
            remaining[:] = [str(leftover) for leftover in (*left.of_chalice(), *left.of_setup())]
            return not remaining

        if not wait_until(gone, self.patience.removal_s, self.patience.pause_s):
            failed.append(f"still there: {', '.join(remaining)}")
        if failed:
            raise StepFailed("; ".join(failed))
        self._ok("nothing is left in the account")

    def _remove_stage(self) -> None:
        self._dropnote("remove", "--yes", "--tables")

    def _remove_leftovers(self) -> None:
        """What `chalice delete` does not know of: Chalice records a deploy only when it is complete."""
        leftovers = Leftovers(self.client, self.plan.stage)
        for leftover in list(leftovers.of_chalice()):
            leftovers.delete(leftover)
            self._ok(f"removed: {leftover}")

    def _remove_bucket(self) -> None:
        s3, bucket = self.client("s3"), self.plan.bucket
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", ()):
                    s3.delete_object(Bucket=bucket, Key=entry["Key"])
            s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
            return
        self._ok(f"removed: bucket {bucket}")

    def _dropnote(self, command: str, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        return self.runner.run("dropnote", command, *arguments, "--stage", self.plan.stage, variables=variables)

    def _ok(self, text: str) -> None:
        self.report.line(f"  ok  {text}")


def notification(event: Event) -> dict[str, Any]:
    """The notification that S3 sent for an upload (Amazon S3 user guide, "Event message structure")."""
    if event.upload is None:
        raise StepFailed("the ledger's row has no upload")
    upload = event.upload
    object_ = {"key": quote_plus(upload.key, safe="/"), "size": upload.size, "eTag": upload.etag, "sequencer": upload.sequencer}
    version = {"versionId": upload.version} if upload.version else {}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": event.at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{event.at.microsecond // 1000:03}Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": upload.bucket}, "object": {**object_, **version}},
    }
    return {"Records": [record]}
