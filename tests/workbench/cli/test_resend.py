"""`dropnote resend`, `redrive` and `backfill`: what they refuse, what they change, and that a dry run changes nothing."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.event import Batch, UnknownPayload
from tests.support.stages import Stage, plenty
from tests.workbench.cli.conftest import Run


def id_of(run: Run, channel: str) -> str:
    rows = json.loads(run("log", "--json", "--rule", "uploads", "--channel", channel).output)
    return str(rows[0]["id"])


def test_unsent_delivery_is_sent_by_the_next_sweep(stage: Stage, run: Run) -> None:
    id_ = id_of(run, "sms")
    assert run("resend", id_[:12]).output == f"{id_} to asha by sms is due now; the next sweep sends it.\n"
    assert stage.sweep() == ["sms sent"]


def test_resend_of_a_sent_delivery_is_refused(stage: Stage, run: Run) -> None:
    result = run("resend", id_of(run, "email"))
    assert (result.exit_code, "it was sent at" in result.output) == (1, True)


def test_resend_of_a_parked_payload_points_to_redrive(stage: Stage, run: Run) -> None:
    stage.bot.take(Batch(unknown=(UnknownPayload("s3", "missing 'Records'", {}),)), plenty)
    (row,) = json.loads(run("log", "--json", "--state", "parked").output)
    result = run("resend", row["id"])
    assert (result.exit_code, "use redrive for parked payloads" in result.output) == (1, True)


def test_redrive_is_a_dry_run_without_yes(stage: Stage, run: Run) -> None:
    assert "1 row; dry run, pass --yes to retry." in run("redrive").output
    assert stage.sweep() == []
    assert "due now" in run("redrive", "--yes").output
    assert stage.sweep() == ["sms sent"]
    assert json.loads(run("redrive", "--json").output) == []


class Bucket:
    """An S3 client whose bucket has one object."""

    def __init__(self, key: str, stage: Stage) -> None:
        self.page = {"Contents": [{"Key": key, "Size": 7, "ETag": '"e7"', "LastModified": stage.now - timedelta(hours=1)}]}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        return [self.page]


def test_backfill_is_a_dry_run_without_yes(stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "clients", lambda service: Bucket("in/missed.pdf", stage))
    monkeypatch.setattr("workbench.reports.missed_uploads.wait_for", lambda *_: None)
    command = ("backfill", "s3://acme-drops/in/", "--since", "2h")
    assert run(*command).output.splitlines()[-2:] == ["in/missed.pdf", "1 missed; dry run, pass --yes to notify."]
    assert stage.sweep() == []
    assert run(*command, "--yes").output.splitlines()[-1] == "1 missed, 1 queued; the next sweep sends them."
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert run(*command).output.splitlines()[-1] == "No missed uploads."
