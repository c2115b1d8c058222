"""The doctor's checks of the functions and what they depend on, against MiniStack over HTTP."""

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.platform.clock import utc_now
from tests.support.builders import some_settings
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, package, unhealthy_stage
from workbench.deployment.config import read_stage
from workbench.deployment.finish import finish_functions
from workbench.doctor.deployed import differing_files
from workbench.doctor.model import State
from workbench.local.ministack import MiniStack
from workbench.local.resources import make_bucket, notify_source
from workbench.paths import PROJECT

HANDLERS = ("upload_acme_drops", "sweep", "test")
DEAD = "arn:aws:sqs:us-east-1:000000000000:dropnote-prod-dead-events"
PROD = read_stage(PROJECT, "prod")["environment_variables"]


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Iterator[UnhealthyStage]:
    with unhealthy_stage(ministack, tmp_path) as stage:
        yield stage


@pytest.fixture
def deployed(stage: UnhealthyStage) -> UnhealthyStage:
    """Three functions with this checkout's code, listed in Chalice's file and finished."""
    zipped = package()
    write_deployed_file(stage, [stage.function(handler, zipped, PROD) for handler in HANDLERS])
    finish_functions(stage.ministack.client("lambda"), stage.account.resources() or [], DEAD)
    return stage


def write_deployed_file(stage: UnhealthyStage, functions: list[dict[str, Any]]) -> None:
    """Write the functions into Chalice's list of deployed resources."""
    resources = [
        {
            "resource_type": "lambda_function",
            "name": function["FunctionName"].removeprefix("dropnote-prod-"),
            "lambda_arn": function["FunctionArn"],
        }
        for function in functions
    ]
    stage.account.deployed_file.write_text(json.dumps({"resources": resources}))


@pytest.mark.parametrize("check", ["functions", "orphans", "package", "environment", "retries"])
def test_deployed_and_finished_stage_has_no_findings(deployed: UnhealthyStage, check: str) -> None:
    assert deployed.findings(check) == ""


def test_stage_without_functions_is_reported(stage: UnhealthyStage) -> None:
    assert "make deploy STAGE=prod" in stage.findings("functions")


def test_missing_function_is_named(deployed: UnhealthyStage) -> None:
    deployed.ministack.client("lambda").delete_function(FunctionName="dropnote-prod-sweep")
    assert "Deployed functions are missing: sweep." in deployed.findings("functions")


def test_function_of_a_renamed_handler_is_found(deployed: UnhealthyStage) -> None:
    deployed.function("upload_old_bucket", package())
    deployed.ministack.client("lambda").create_function(
        FunctionName="dropnote-production-other",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": package()},
    )
    findings = deployed.findings("orphans")
    assert "aws lambda delete-function --function-name dropnote-prod-upload_old_bucket" in findings
    assert "production" not in findings


def test_functions_of_renamed_handlers_are_unknown_if_another_machine_deployed(deployed: UnhealthyStage) -> None:
    deployed.account.deployed_file.unlink()
    assert "another machine deployed this stage" in deployed.findings("orphans")


def test_files_that_differ_from_the_deployed_package_are_named(stage: UnhealthyStage) -> None:
    stage.function("sweep", package({"chalicelib/dropnote.toml": "[bot]", "chalicelib/gone.py": ""}))
    findings = stage.findings("package")
    assert "another version of chalicelib/dropnote.toml, chalicelib/gone.py than this checkout." in findings


def test_interrupted_deploy_is_found(deployed: UnhealthyStage) -> None:
    deployed.function("resend", package({"app.py": "# new"}))
    assert "a deploy was interrupted" in deployed.findings("package")


def test_compiled_files_are_not_compared(tmp_path: Path) -> None:
    for name in ("app.py", "chalicelib/one.py", "chalicelib/__pycache__/one.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name in ("app.py", "chalicelib/one.py", "chalicelib/one.pyc", "jinja2/__init__.py"):
            archive.writestr(name, "1")
        assert differing_files(tmp_path, archive) == []
        (tmp_path / "chalicelib/two.toml").write_text("2")
        assert differing_files(tmp_path, archive) == ["chalicelib/two.toml"]


def test_differing_variables_are_named_without_their_values(deployed: UnhealthyStage) -> None:
    deployed.ministack.client("lambda").update_function_configuration(
        FunctionName="dropnote-prod-sweep", Environment={"Variables": {**PROD, "UPLOAD_BUCKET": "elsewhere"}}
    )
    findings = deployed.findings("environment")
    assert "UPLOAD_BUCKET" in findings
    assert "elsewhere" not in findings
    assert PROD["UPLOAD_BUCKET"] not in findings


def test_deploy_without_finish_is_found(stage: UnhealthyStage) -> None:
    stage.function("upload_acme_drops", package())
    findings = stage.findings("retries")
    assert "upload_acme_drops" in findings
    assert "dropnote finish --stage prod" in findings


def test_queue_without_per_message_failures_is_found(deployed: UnhealthyStage) -> None:
    arn = deployed.function("upload_queue", package())["FunctionArn"]
    deployed.ministack.client("lambda").create_event_source_mapping(FunctionName=arn, EventSourceArn=DEAD)
    assert "the queue of dropnote-prod-upload_queue" in deployed.findings("retries")


def connect_stream(deployed: UnhealthyStage, stream: str = "") -> str:
    """Connect the counting function to a stream, by default the ledger's. The mapping's id."""
    current = deployed.ministack.client("dynamodb").describe_table(TableName="dropnote-prod-ledger")["Table"]["LatestStreamArn"]
    function = deployed.function("count", package())["FunctionArn"]
    mapping = deployed.ministack.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=stream or current, StartingPosition="LATEST"
    )
    return str(mapping["UUID"])


def test_stream_that_nothing_reads_is_found(deployed: UnhealthyStage) -> None:
    findings = deployed.findings("counting")
    assert "budgets are not enforced: no function reads its stream" in findings
    assert "dropnote setup --stage prod, then chalice deploy --stage prod" in findings
    connect_stream(deployed)
    assert deployed.findings("counting") == ""


def test_stream_without_its_filter_is_found(deployed: UnhealthyStage) -> None:
    connect_stream(deployed)
    assert "the stream of dropnote-prod-count" in deployed.findings("retries")


def test_stream_of_a_deleted_table_is_found(deployed: UnhealthyStage) -> None:
    mapping = connect_stream(
        deployed, "arn:aws:dynamodb:us-east-1:000000000000:table/dropnote-prod-ledger/stream/2020-01-01T00:00:00.000"
    )
    findings = deployed.findings("counting")
    assert "the stream of a table that was deleted" in findings
    assert f"aws lambda delete-event-source-mapping --uuid {mapping}" in findings


def test_disabled_stream_trigger_is_found(deployed: UnhealthyStage) -> None:
    mapping = connect_stream(deployed)
    deployed.ministack.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    assert f"--uuid {mapping} --enabled" in deployed.findings("counting")


def test_overwritten_bucket_notification_is_found(deployed: UnhealthyStage) -> None:
    s3, ours = deployed.ministack.client("s3"), "arn:aws:lambda:us-east-1:000000000000:function:dropnote-prod-upload_acme_drops"
    assert "The bucket acme-drops, which a rule uses, does not exist" in deployed.findings("buckets")
    s3.create_bucket(Bucket="acme-drops")
    complete = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": ours, "Events": ["s3:ObjectCreated:*"]}]}
    for configuration, ok in ((complete, True), ({}, False)):
        s3.put_bucket_notification_configuration(Bucket="acme-drops", NotificationConfiguration=configuration)
        assert (deployed.check("buckets").state is State.OK) is ok
    assert "dropnote backfill s3://acme-drops/ --since 2d --stage prod" in deployed.findings("buckets")


@pytest.mark.parametrize("trigger", ["topic", "queue"])
def test_source_of_uploads_without_a_function_is_found(stage: UnhealthyStage, trigger: str) -> None:
    arn = f"arn:aws:{'sns' if trigger == 'topic' else 'sqs'}:us-east-1:000000000000:news"
    stage.with_settings(some_settings(f'[[buckets]]\nname = "acme-drops"\ntrigger = "{trigger}"\n{trigger} = "{arn}"\n'))
    make_bucket(stage.ministack, "acme-drops")
    notify_source(stage.ministack, stage.account.settings.bucket("acme-drops"))
    assert "The " + trigger + " news reports uploads, but no function of the bot" in stage.findings("buckets")
    function = stage.function(f"uploads_{trigger}_news", package())["FunctionArn"]
    if trigger == "topic":
        stage.ministack.client("sns").subscribe(TopicArn=arn, Protocol="lambda", Endpoint=function)
    else:
        stage.ministack.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=arn)
    assert stage.findings("buckets") == ""
    stage.ministack.client("s3").put_bucket_notification_configuration(Bucket="acme-drops", NotificationConfiguration={})
    assert f"the bucket does not notify the {trigger} news" in stage.findings("buckets")


def test_sweep_is_checked_by_its_last_successful_run(stage: UnhealthyStage) -> None:
    control = stage.account.bot().deliverer.control
    assert "No sweep has finished yet" in stage.findings("sweep")
    control.record_run("swept", utc_now() - timedelta(hours=2))
    assert "2 hours ago" in stage.findings("sweep")
    control.record_run("swept", utc_now())
    assert stage.findings("sweep") == ""


def test_dead_events_are_counted(stage: UnhealthyStage) -> None:
    assert stage.findings("dead-events") == ""
    for _ in range(3):
        stage.ministack.client("sqs").send_message(QueueUrl=stage.queue(), MessageBody="{}")
    findings = stage.findings("dead-events")
    assert "3 events that the functions failed to process are in the dead-letter queue" in findings
    assert "dropnote redrive --stage prod" in findings


def test_check_of_the_dead_letter_queue_receives_no_message(stage: UnhealthyStage) -> None:
    sqs = stage.ministack.client("sqs")
    sqs.send_message(QueueUrl=stage.queue(), MessageBody="{}")
    stage.check("dead-events")
    (message,) = sqs.receive_message(QueueUrl=stage.queue(), MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


@pytest.mark.parametrize(("check", "resource"), [("sweep", "table"), ("dead-events", "queue")])
def test_stage_without_set_up_gets_the_setup_command(stage: UnhealthyStage, check: str, resource: str) -> None:
    stage.ministack.reset()
    findings = stage.findings(check)
    assert resource in findings
    assert "dropnote setup --stage prod" in findings


def test_missing_or_unencrypted_secret_is_found(stage: UnhealthyStage) -> None:
    assert stage.findings("secrets") == ""
    ssm, name = stage.ministack.client("ssm"), "/dropnote/prod/twilio-auth-token"
    ssm.delete_parameter(Name=name)
    assert f"The secret {name} is missing" in stage.findings("secrets")
    stage.put_secret("twilio-auth-token", "String", "unencrypted-value")
    findings = stage.findings("secrets")
    assert "stored in plain text (String)" in findings
    assert "unencrypted-value" not in findings


def test_receipts_url_is_compared_with_the_stages(stage: UnhealthyStage) -> None:
    assert "dropnote finish --stage prod" in stage.findings("receipts")  # the stack's default is `unset`
    stage.put_secret("public-url", "String", "https://old.execute-api.eu-west-1.amazonaws.com/api/")
    url = "https://new.execute-api.eu-west-1.amazonaws.com/api"
    api = {"resource_type": "rest_api", "rest_api_url": f"{url}/"}
    stage.account.deployed_file.write_text(json.dumps({"resources": [api]}))
    assert f"the stage is at {url}" in stage.findings("receipts")
    stage.put_secret("public-url", "String", "https://drops.example.com")  # the user's own domain
    assert stage.findings("receipts") == ""
