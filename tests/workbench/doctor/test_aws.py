"""What the doctor finds about the functions, and what they live on: in a MiniStack, over HTTP."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.platform.clock import utc_now
from tests.workbench.doctor.unhealthy_stages import Patient, a_patient, package
from workbench.deployment.config import read_stage
from workbench.deployment.finish import finish_functions
from workbench.doctor.deployed import differing
from workbench.doctor.model import State
from workbench.local.ministack import MiniStack
from workbench.paths import PROJECT

HANDLERS = ("upload_acme_drops", "sweep", "test")
DEAD = "arn:aws:sqs:us-east-1:000000000000:dropnote-prod-dead-events"
PROD = read_stage(PROJECT, "prod")["environment_variables"]


@pytest.fixture
def patient(ministack: MiniStack, tmp_path: Path) -> Iterator[Patient]:
    with a_patient(ministack, tmp_path) as made:
        yield made


@pytest.fixture
def deployed(patient: Patient) -> Patient:
    """Three functions with what this checkout has, listed as Chalice lists them, and finished."""
    zipped = package()
    list_as_chalice(patient, [patient.function(handler, zipped, PROD) for handler in HANDLERS])
    finish_functions(patient.ministack.client("lambda"), patient.account.resources() or [], DEAD)
    return patient


def list_as_chalice(patient: Patient, functions: list[dict[str, Any]]) -> None:
    resources = [
        {
            "resource_type": "lambda_function",
            "name": each["FunctionName"].removeprefix("dropnote-prod-"),
            "lambda_arn": each["FunctionArn"],
        }
        for each in functions
    ]
    patient.account.listed.write_text(json.dumps({"resources": resources}))


@pytest.mark.parametrize("check", ["functions", "orphans", "package", "environment", "retries"])
def test_stage_just_deployed_and_finished_is_well(deployed: Patient, check: str) -> None:
    assert deployed.found(check) == ""


def test_stage_that_is_not_deployed_is_said(patient: Patient) -> None:
    assert "make deploy STAGE=prod" in patient.found("functions")


def test_function_that_is_gone_is_named(deployed: Patient) -> None:
    deployed.ministack.client("lambda").delete_function(FunctionName="dropnote-prod-sweep")
    assert "no longer there: sweep" in deployed.found("functions")


def test_function_of_a_renamed_handler_is_found(deployed: Patient) -> None:
    deployed.function("upload_old_bucket", package())
    deployed.ministack.client("lambda").create_function(
        FunctionName="dropnote-production-other",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": package()},
    )
    told = deployed.found("orphans")
    assert "aws lambda delete-function --function-name dropnote-prod-upload_old_bucket" in told
    assert "production" not in told


def test_orphans_cannot_be_told_where_another_machine_deployed(deployed: Patient) -> None:
    deployed.account.listed.unlink()
    assert "another machine deployed this stage" in deployed.found("orphans")


def test_settings_newer_than_what_is_deployed_are_named(patient: Patient) -> None:
    patient.function("sweep", package({"chalicelib/dropnote.toml": "[bot]", "chalicelib/gone.py": ""}))
    told = patient.found("package")
    assert "another version than this checkout has of chalicelib/dropnote.toml, chalicelib/gone.py." in told


def test_deploy_that_broke_off_is_noticed(deployed: Patient) -> None:
    deployed.function("resend", package({"app.py": "# new"}))
    assert "a deploy broke off" in deployed.found("package")


def test_compiled_files_are_no_difference(tmp_path: Path) -> None:
    for name in ("app.py", "chalicelib/one.py", "chalicelib/__pycache__/one.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("app.py", "chalicelib/one.py", "chalicelib/one.pyc", "jinja2/__init__.py"):
            archive.writestr(name, "1")
        assert differing(tmp_path, archive) == []
        (tmp_path / "chalicelib/two.toml").write_text("2")
        assert differing(tmp_path, archive) == ["chalicelib/two.toml"]


def test_environment_that_differs_is_named_without_its_values(deployed: Patient) -> None:
    deployed.ministack.client("lambda").update_function_configuration(
        FunctionName="dropnote-prod-sweep", Environment={"Variables": {**PROD, "UPLOAD_BUCKET": "elsewhere"}}
    )
    told = deployed.found("environment")
    assert "UPLOAD_BUCKET" in told
    assert "elsewhere" not in told
    assert PROD["UPLOAD_BUCKET"] not in told


def test_deploy_without_finish_is_found(patient: Patient) -> None:
    patient.function("upload_acme_drops", package())
    told = patient.found("retries")
    assert "upload_acme_drops" in told
    assert "dropnote finish --stage prod" in told


def test_queue_without_fates_is_found(deployed: Patient) -> None:
    arn = deployed.function("upload_queue", package())["FunctionArn"]
    deployed.ministack.client("lambda").create_event_source_mapping(FunctionName=arn, EventSourceArn=DEAD)
    assert "the queue of dropnote-prod-upload_queue" in deployed.found("retries")


def listen(deployed: Patient, stream: str = "") -> str:
    """Bind the function that counts, to the ledger's stream; gives the mapping's id."""
    there = deployed.ministack.client("dynamodb").describe_table(TableName="dropnote-prod-ledger")["Table"]["LatestStreamArn"]
    function = deployed.function("count", package())["FunctionArn"]
    made = deployed.ministack.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=stream or there, StartingPosition="LATEST"
    )
    return str(made["UUID"])


def test_stream_that_nothing_reads_is_found(deployed: Patient) -> None:
    told = deployed.found("counting")
    assert "no budget is held: nothing listens to its stream" in told
    assert "dropnote setup --stage prod, then chalice deploy --stage prod" in told
    listen(deployed)
    assert deployed.found("counting") == ""


def test_stream_without_its_filter_is_found(deployed: Patient) -> None:
    listen(deployed)
    assert "the stream of dropnote-prod-count" in deployed.found("retries")


def test_stream_of_a_table_that_is_gone_is_found(deployed: Patient) -> None:
    mapping = listen(
        deployed, "arn:aws:dynamodb:us-east-1:000000000000:table/dropnote-prod-ledger/stream/2020-01-01T00:00:00.000"
    )
    told = deployed.found("counting")
    assert "the stream of a table that is gone" in told
    assert f"aws lambda delete-event-source-mapping --uuid {mapping}" in told


def test_stream_that_is_switched_off_is_found(deployed: Patient) -> None:
    mapping = listen(deployed)
    deployed.ministack.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    assert f"--uuid {mapping} --enabled" in deployed.found("counting")


def test_overwritten_bucket_notification_is_found(deployed: Patient) -> None:
    s3, ours = deployed.ministack.client("s3"), "arn:aws:lambda:us-east-1:000000000000:function:dropnote-prod-upload_acme_drops"
    assert "The bucket acme-drops, which a rule names, does not exist" in deployed.found("buckets")
    s3.create_bucket(Bucket="acme-drops")
    told = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": ours, "Events": ["s3:ObjectCreated:*"]}]}
    for configuration, well in ((told, True), ({}, False)):
        s3.put_bucket_notification_configuration(Bucket="acme-drops", NotificationConfiguration=configuration)
        assert (deployed.probe("buckets").state is State.OK) is well
    assert "dropnote backfill s3://acme-drops/ --since 2d --stage prod" in deployed.found("buckets")


def test_sweep_is_judged_by_when_it_last_ended(patient: Patient) -> None:
    control = patient.account.bot().deliverer.control
    assert "No sweep has ended yet" in patient.found("sweep")
    control.record_run("swept", utc_now() - timedelta(hours=2))
    assert "2 hours ago" in patient.found("sweep")
    control.record_run("swept", utc_now())
    assert patient.found("sweep") == ""


def test_dead_events_are_counted(patient: Patient) -> None:
    assert patient.found("dead-events") == ""
    for _ in range(3):
        patient.ministack.client("sqs").send_message(QueueUrl=patient.queue(), MessageBody="{}")
    told = patient.found("dead-events")
    assert "3 events that the functions failed at wait" in told
    assert "dropnote redrive --stage prod" in told


def test_looking_at_dead_events_takes_none(patient: Patient) -> None:
    sqs = patient.ministack.client("sqs")
    sqs.send_message(QueueUrl=patient.queue(), MessageBody="{}")
    patient.probe("dead-events")
    (message,) = sqs.receive_message(QueueUrl=patient.queue(), MessageSystemAttributeNames=["ApproximateReceiveCount"])[
        "Messages"
    ]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@pytest.mark.parametrize(("check", "kept"), [("sweep", "table"), ("dead-events", "queue")])
def test_stage_that_was_not_set_up_is_sent_to_setup(patient: Patient, check: str, kept: str) -> None:
    patient.ministack.reset()
    told = patient.found(check)
    assert kept in told
    assert "dropnote setup --stage prod" in told


def test_secret_that_is_missing_or_in_the_clear_is_found(patient: Patient) -> None:
    assert patient.found("secrets") == ""
    ssm, name = patient.ministack.client("ssm"), "/dropnote/prod/twilio-auth-token"
    ssm.delete_parameter(Name=name)
    assert f"The secret {name} is not there" in patient.found("secrets")
    patient.secret("twilio-auth-token", "String", "in-the-clear")
    told = patient.found("secrets")
    assert "kept in the clear (String)" in told
    assert "in-the-clear" not in told


def test_receipts_go_where_the_stage_is(patient: Patient) -> None:
    assert "dropnote finish --stage prod" in patient.found("receipts")  # `unset` is what the stack puts there
    patient.secret("public-url", "String", "https://old.execute-api.eu-west-1.amazonaws.com/api/")
    url = "https://new.execute-api.eu-west-1.amazonaws.com/api"
    api = {"resource_type": "rest_api", "rest_api_url": f"{url}/"}
    patient.account.listed.write_text(json.dumps({"resources": [api]}))
    assert f"the stage is at {url}" in patient.found("receipts")
    patient.secret("public-url", "String", "https://drops.example.com")  # a domain of one's own
    assert patient.found("receipts") == ""
