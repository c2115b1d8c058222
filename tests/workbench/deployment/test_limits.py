"""AWS's limits are checked before anything is created, and each partition has its own ARNs, links and services."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from chalicelib.domain.settings import Settings
from chalicelib.platform.regions import console_url
from tests.support.builders import ENVIRON, some_settings
from workbench.account import AccountError, readable_aws_errors
from workbench.cli import deployment
from workbench.cli.main import main
from workbench.deployment.buckets import BucketSetup
from workbench.deployment.config import read_stage, stage_names
from workbench.deployment.errors import SetupError
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.identities import mail_event_variables
from workbench.deployment.limits import (
    MAX_ENVIRONMENT,
    MAX_FUNCTION_NAME,
    MAX_POLICY,
    any_location,
    has_ses,
    limit_problems,
    policy_size,
)
from workbench.deployment.setup import Setup
from workbench.local.ministack import ACCOUNT, REGION, MiniStack
from workbench.paths import PROJECT
from workbench.reports.check import check_all

LONGEST_BUCKET = "b" * 63
RULE = '[[rules]]\nname = "{0}"\nbucket = "{0}"\nnotify = ["email:asha"]\n'
ITEM = '[[rules]]\nname = "{0}"\non = "item"\ntable = "{0}"\nnotify = ["email:asha"]\n'
FRESH = '[[monitors]]\nname = "{0}"\nkind = "freshness"\nbucket = "{1}"\nkey = "in/*"\nnewest = "2h"\nnotify = ["email:asha"]\n'
HTTP = '[[monitors]]\nname = "{0}"\nkind = "http"\nurl = "https://{0}.example.com/"\nnotify = ["email:asha"]\n'
PERSON = '[people.{0}]\nemail = "{0}.of.a.department@example.com"\n'


SOURCES = """
[[buckets]]
name = "news"
trigger = "topic"
topic = "{}"
[[buckets]]
name = "jobs"
trigger = "queue"
queue = "{}"
""" + "".join(RULE.format(name) for name in ("news", "jobs"))


def problems(settings: Settings, stage: str = "prod", **variables: str) -> list[str]:
    return limit_problems(settings, {**ENVIRON, **variables}, any_location(stage))


def longest_bucket(number: int) -> str:
    return f"{number:03}".ljust(63, "b")


@pytest.mark.parametrize(("stage", "fits"), [("prod", True), ("sixsix", True), ("sevenxx", False), ("tentententen"[:10], False)])
def test_longest_bucket_fits_with_a_stage_of_six_characters(stage: str, fits: bool) -> None:
    found = problems(some_settings(RULE.format(LONGEST_BUCKET)), stage)
    assert found == [] if fits else "choose a stage name of at most 6 characters" in found[0]


def test_every_name_fits_for_the_longest_bucket_and_table() -> None:
    settings = some_settings(RULE.format(LONGEST_BUCKET) + ITEM.format("T" * 255))
    names = policies(settings, {**stage_names("sixsix"), **ENVIRON, "DROPNOTE_STREAM": "arn"}, any_location("sixsix"))
    assert max(len(f"dropnote-sixsix-{name}-event") for name in names if name.islower() and len(name) < 20) <= MAX_FUNCTION_NAME
    assert max(len(f"dropnote-sixsix-{name}") for name in names) <= MAX_FUNCTION_NAME
    assert problems(settings, "sixsix") == []


def test_hundreds_of_monitors_fit_into_one_policy() -> None:
    buckets = [longest_bucket(number) for number in range(40)]
    monitors = [FRESH.format(f"fresh-{number}", buckets[number % 40]) for number in range(200)]
    settings = some_settings("".join([*monitors, *(HTTP.format(f"web-{number}") for number in range(200))]))
    assert problems(settings) == []
    watch = policies(settings, {**ENVIRON, **stage_names("prod")}, any_location("prod"))["watch"]
    assert policy_size(watch) <= MAX_POLICY


def test_too_many_monitored_buckets_are_reported_with_the_next_step() -> None:
    settings = some_settings("".join(FRESH.format(f"fresh-{number}", longest_bucket(number)) for number in range(150)))
    (problem,) = problems(settings)
    assert problem.startswith("the policy of watch has 1")
    assert "IAM allows 10,240; most are the 150 resources of MonitorsListBucket (s3:ListBucket)" in problem
    assert "move some of them to another stage" in problem


def test_too_many_buckets_are_reported_with_the_next_step() -> None:
    (problem,) = problems(some_settings("".join(RULE.format(longest_bucket(number)) for number in range(150))))
    assert "most are the 151 resources of Bindings" in problem


def test_sandbox_with_too_many_people_is_reported_once_for_all_functions() -> None:
    settings = some_settings("".join(PERSON.format(f"person{number}") for number in range(150)))
    assert problems(settings) == []
    sandbox = StageLocation("prod", "123456789012", "eu-west-1", sandbox=True)
    (problem,) = limit_problems(settings, ENVIRON, sandbox)
    assert "leave the SES sandbox" in problem


def test_too_many_functions_are_reported() -> None:
    found = problems(some_settings("".join(RULE.format(f"bucket-{number}") for number in range(900))))
    assert any("an account has 1,000 roles by default" in problem for problem in found)


def test_environment_above_four_kilobytes_names_the_longest_variables() -> None:
    (problem,) = problems(some_settings("".join(ITEM.format(f"{number}" + "t" * 250) for number in range(7))))
    assert "Lambda allows 4,096" in problem
    assert problem.count("DROPNOTE_STREAM_") == 3


def test_environment_is_measured_as_lambda_does() -> None:
    """As JSON in UTF-8: names, quotes and separators count."""
    settings = some_settings()
    stream = any_location("prod").arn("dynamodb", "table/dropnote-prod-ledger/stream/2026-01-01T00:00:00.000")
    topic = any_location("prod").arn("sns", "dropnote-prod-mail-events")
    events = mail_event_variables("prod", topic, ())
    variables = {"DROPNOTE_STREAM": stream, **events, **stage_names("prod"), **ENVIRON, "MINE": ""}
    room = MAX_ENVIRONMENT - len(json.dumps(variables, separators=(",", ":")))
    assert problems(settings, MINE="x" * room) == []
    assert problems(settings, MINE="é" * (room // 2)) == []
    assert problems(settings, MINE="é" * (room // 2 + 1)) != []


PARTITIONS = [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws", "eu-west-1")]


@pytest.mark.parametrize(("partition", "region"), PARTITIONS)
def test_topics_and_queues_of_the_partition_are_accepted(partition: str, region: str) -> None:
    topic, queue = (f"arn:{partition}:{service}:{region}:123456789012:uploads" for service in ("sns", "sqs"))
    settings = some_settings(SOURCES.format(topic, queue))
    assert (settings.topics, settings.queues) == ((topic,), (queue,))


def test_no_arn_and_no_host_is_written_for_one_partition() -> None:
    """Everything that is deployed takes them from the account. Examples in help and errors are not f-strings."""
    template = (PROJECT / "resources.yaml").read_text()
    for same_in_all in ("arn:${AWS::Partition}", "Service: ses.amazonaws.com"):
        template = template.replace(same_in_all, "")
    assert "arn:" not in template
    assert "amazonaws" not in template
    sources = [*(PROJECT / "chalicelib").rglob("*.py"), *(PROJECT / "workbench" / "deployment").rglob("*.py"), PROJECT / "app.py"]
    built = re.compile(r"f\"arn:aws:(?!.*123456789012)")
    assert [file.name for file in sources if built.search(file.read_text())] == []


@pytest.mark.parametrize(("partition", "region"), PARTITIONS)
def test_every_arn_is_of_the_stages_partition(partition: str, region: str) -> None:
    more = ITEM.format("orders") + FRESH.format("feed", "acme-drops")
    variables = {**ENVIRON, **stage_names("prod"), "DROPNOTE_STREAM": f"arn:{partition}:dynamodb:x"}
    documents = policies(some_settings(more), variables, StageLocation("prod", "123456789012", region, partition))
    resources = {
        resource for policy in documents.values() for statement in policy["Statement"] for resource in statement["Resource"]
    }
    assert {resource.split(":")[1] for resource in resources - {"*"}} == {partition}


def test_china_has_no_ses() -> None:
    china = StageLocation("prod", "123456789012", "cn-north-1", "aws-cn")
    (problem,) = limit_problems(some_settings(), ENVIRON, china)
    assert 'Amazon SES is not available in cn-north-1 and its partition; set transport = "smtp"' in problem
    smtp = {'from = "Acme': 'transport = "smtp"\nhost = "mail.example.com"\nfrom = "Acme'}
    assert limit_problems(some_settings(**smtp), ENVIRON, china) == []
    assert [has_ses(partition) for partition in ("aws", "aws-us-gov", "aws-cn")] == [True, True, False]


def test_ses_of_another_partition_cannot_be_used() -> None:
    settings = some_settings(**{"[email]\n": '[email]\nregion = "eu-west-1"\n'})
    (problem,) = limit_problems(settings, ENVIRON, StageLocation("prod", "1", "us-gov-west-1", "aws-us-gov"))
    assert "has no access to eu-west-1" in problem


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/p"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/p"),
        ("us-gov-east-1", "https://us-gov-east-1.console.amazonaws-us-gov.com/p"),
        ("eusc-de-east-1", ""),
    ],
)
def test_console_links_have_the_partitions_host(region: str, host: str) -> None:
    assert console_url("p", region) == host


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ministack: MiniStack) -> Path:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice/config.json").write_text(json.dumps({"version": "2.0", "app_name": "dropnote", "stages": {}}))
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "chalicelib/templates").symlink_to(PROJECT / "chalicelib/templates")
    monkeypatch.setattr(deployment, "PROJECT", tmp_path)
    monkeypatch.setattr(deployment, "clients", ministack.client)
    return tmp_path


def test_setup_stops_before_it_creates_anything(project: Path, ministack: MiniStack) -> None:
    text = '[bot]\nname = "a"\n[email]\nfrom = "a@example.com"\n[people.asha]\nemail = "a@example.com"\n'
    (project / "chalicelib/dropnote.toml").write_text(text + RULE.format(LONGEST_BUCKET))
    result = CliRunner().invoke(main, ["setup", "--stage", "longstage1", "--yes"])
    assert result.exit_code == 1
    assert "choose a stage name of at most 6 characters" in result.output
    assert ministack.client("cloudformation").list_stacks()["StackSummaries"] == []
    assert json.loads((project / ".chalice/config.json").read_text())["stages"] == {}


@pytest.mark.parametrize(("partition", "type_"), [("aws", None), ("aws-cn", "REGIONAL"), ("aws-us-gov", "REGIONAL")])
def test_other_partitions_get_a_regional_api(project: Path, partition: str, type_: str | None) -> None:
    stage_setup = Setup(project, "dev", lambda service: SimpleNamespace())
    variables = {**ENVIRON, **stage_setup.variables()}
    stage_setup.write(some_settings(), variables, StageLocation("dev", "123456789012", "cn-north-1", partition))
    assert read_stage(project, "dev").get("api_gateway_endpoint_type") == type_


def test_check_reports_limits_of_the_stage(tmp_path: Path) -> None:
    text = '[bot]\nname = "a"\n[email]\nfrom = "a@example.com"\n[people.asha]\nemail = "a@example.com"\n'
    file = tmp_path / "settings.toml"
    file.write_text(text + "".join(RULE.format(longest_bucket(number)) for number in range(150)))
    report = check_all(file, "prod")
    assert [finding.finding.where for finding in report.findings] == ["stage prod"]
    assert "IAM allows 10,240" in str(report.findings[0])


def test_region_that_is_not_enabled_has_a_hint() -> None:
    def call() -> Any:
        raise ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetCallerIdentity")

    with pytest.raises(AccountError, match="aws account enable-region"), readable_aws_errors():
        call()


@pytest.mark.parametrize(("count", "fits"), [(99, True), (100, False)])
def test_bucket_whose_list_is_full_needs_eventbridge(ministack: MiniStack, count: int, fits: bool) -> None:
    s3, here = ministack.client("s3"), StageLocation("dev", ACCOUNT, REGION)
    s3.create_bucket(Bucket="acme-drops")
    others = [
        {"TopicArn": here.arn("sns", "news"), "Events": ["s3:ObjectRemoved:*"], "Filter": {"Key": {"FilterRules": [rule]}}}
        for rule in ({"Name": "prefix", "Value": f"{number}/"} for number in range(count))
    ]
    s3.put_bucket_notification_configuration(
        Bucket="acme-drops", NotificationConfiguration={"TopicConfigurations": others}, SkipDestinationValidation=True
    )
    buckets = BucketSetup(ministack.client, some_settings(), here, {})
    if fits:
        assert "S3 will invoke" in buckets.plans()[0].lines[0]
        return
    with pytest.raises(SetupError, match=r'has 100 notifications, and S3 allows 100(.|\n)*trigger = "eventbridge"'):
        buckets.plans()


def test_policy_that_is_too_long_for_a_managed_one_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "dropnote.toml"
    text = '[bot]\nname = "a"\n[email]\nfrom = "a@example.com"\n[people.asha]\nemail = "a@example.com"\n'
    file.write_text(text + "".join(RULE.format(longest_bucket(number)) for number in range(30)))
    monkeypatch.setattr("workbench.deployment.setup.settings_file", lambda library: file)
    result = CliRunner().invoke(main, ["policy", "--stage", "dev", "--account", "123456789012", "--region", "eu-west-1"])
    assert result.exit_code == 0, result.output
    assert "store it as an inline policy of a role" in result.stderr
    assert all(f":::{longest_bucket(number)}'" in str(json.loads(result.stdout)["Statement"]) for number in range(30))
