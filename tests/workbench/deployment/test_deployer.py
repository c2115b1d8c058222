"""The policy of whoever deploys: what AWS's reference and CloudFormation's resource types ask for, for one stage only."""

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.support.builders import some_settings
from tests.workbench.deployment.authorization_reference import EVERY_LEVEL, problems
from tests.workbench.deployment.test_policies import EVERY_MONITOR, RULES, SMTP
from workbench.cli.main import main
from workbench.deployment.grants import StageLocation
from workbench.deployment.limits import policy_size
from workbench.deployment.policies.deployer import MAX_MANAGED_POLICY, deployer_policy, smoke_policy
from workbench.paths import PROJECT
from workbench.rehearsal.permissions import NOT_REHEARSED, Use, denied

TRIGGERS = """
[[buckets]]
name = "deliveries"
trigger = "topic"
topic = "arn:{0}:sns:{1}:123456789012:news"
[[buckets]]
name = "jobs"
trigger = "queue"
queue = "arn:{0}:sqs:{1}:123456789012:jobs"
[[rules]]
name = "jobs"
bucket = "jobs"
notify = ["email:asha"]
[[rules]]
name = "replaced"
bucket = "deliveries"
notify = ["email:asha"]
previous = "none"
[metrics]
"""
LOCATIONS = [
    StageLocation("dev", "123456789012", "eu-west-1"),
    StageLocation("dev", "123456789012", "cn-north-1", "aws-cn"),
    StageLocation("dev", "123456789012", "us-gov-west-1", "aws-us-gov"),
]
DEV = LOCATIONS[0]

# What CloudFormation's resource types list for features that resources.yaml does not use
NOT_USED = {
    "replicas, imports, contributor insights, Kinesis and resource policies of a table": {
        "dynamodb:AssociateTableReplica", "dynamodb:BatchWriteItem", "dynamodb:CreateTableReplica", "dynamodb:DeleteItem",
        "dynamodb:DeleteResourcePolicy", "dynamodb:DeleteTableReplica", "dynamodb:DescribeImport",
        "dynamodb:DescribeTableReplicaAutoScaling", "dynamodb:DisableKinesisStreamingDestination",
        "dynamodb:EnableKinesisStreamingDestination", "dynamodb:GetItem", "dynamodb:ImportTable", "dynamodb:PutItem",
        "dynamodb:PutResourcePolicy", "dynamodb:Query", "dynamodb:ReadDataForReplication", "dynamodb:ReplicateSettings",
        "dynamodb:Scan", "dynamodb:UpdateContributorInsights", "dynamodb:UpdateItem",
        "dynamodb:UpdateKinesisStreamingDestination", "dynamodb:UpdateTableReplicaAutoScaling",
        "dynamodb:WriteDataForReplication", "iam:CreateServiceLinkedRole", "kinesis:DescribeStream",
        "kinesis:PutRecords", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups",
        "logs:DescribeLogStreams", "logs:PutLogEvents", "logs:PutRetentionPolicy", "s3:GetObject", "s3:GetObjectMetadata",
        "s3:ListBucket",
    },
    # Amazon DynamoDB developer guide, "DynamoDB encryption at rest": that key's policy lets whoever may use the table use it
    "keys of your own: the tables have the AWS managed key": {
        "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListAliases", "kms:RevokeGrant",
    },
    "data protection and delivery logs of a topic": {"iam:GetRole", "iam:PassRole", "sns:PutDataProtectionPolicy"},
    "options of a configuration set: ours has none": {
        "ses:PutConfigurationSetArchivingOptions", "ses:PutConfigurationSetDeliveryOptions",
        "ses:PutConfigurationSetReputationOptions", "ses:PutConfigurationSetSendingOptions",
        "ses:PutConfigurationSetSuppressionOptions", "ses:PutConfigurationSetTrackingOptions",
        "ses:PutConfigurationSetVdmOptions",
    },
    "tags": {
        "cloudwatch:TagResource", "cloudwatch:UntagResource", "dynamodb:TagResource", "dynamodb:UntagResource", "ses:TagResource",
        "ses:UntagResource", "sns:TagResource", "sns:UntagResource", "sqs:TagQueue",
        "sqs:UntagQueue", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource",
    },
}  # fmt: skip


def settings_at(location: StageLocation) -> Any:
    rules = RULES.replace('complete = { marker = "_SUCCESS" }', "")
    return some_settings(rules + EVERY_MONITOR + TRIGGERS.format(location.partition, location.region))


def granted(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


@cache
def handlers() -> dict[str, set[str]]:
    """The permissions that CloudFormation's resource types list for their handlers, from the schemas in cfn-lint."""
    spec = find_spec("cfnlint")
    folder = Path(str(spec and spec.origin)).parent / "data" / "schemas"
    index = json.loads((folder / "providers" / "us-east-1.json").read_text())

    types = set(re.findall(r"Type: (AWS::\w+::\w+)", (PROJECT / "resources.yaml").read_text()))
    found = {}
    for type_ in types:
        schema = json.loads((folder / "resources" / f"{index[type_]}.json").read_text())
        listed = schema["handlers"]  # a topic's policy has no "read"
        used = [listed[name] for name in ("create", "read", "update", "delete") if name in listed]
        found[type_] = {permission for handler in used for permission in handler["permissions"]}
    return found


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location.partition)
@pytest.mark.parametrize("make", [deployer_policy, smoke_policy])
def test_every_action_and_resource_is_in_the_authorization_reference(make: Any, location: StageLocation) -> None:
    policy = make(settings_at(location), location)
    assert list(problems(policy, EVERY_LEVEL)) == []
    resources = {resource for statement in policy["Statement"] for resource in statement["Resource"]}
    assert {resource.split(":")[1] for resource in resources - {"*"}} == {location.partition}


def test_cloudformation_may_do_everything_for_the_stack() -> None:
    """CloudFormation works with the deployer's permissions, so these are needed although the deployer never calls them."""
    not_used = {action for actions in NOT_USED.values() for action in actions}
    needed = {action for actions in handlers().values() for action in actions}
    assert len(handlers()) == 9
    assert needed - not_used - granted(deployer_policy(some_settings("[metrics]"), DEV)) == set()


def test_nothing_is_granted_for_cloudformation_that_it_does_not_list() -> None:
    listed = {action for actions in handlers().values() for action in actions}
    claimed = {action for action, reason in NOT_REHEARSED.items() if reason.startswith("CloudFormation")}
    assert claimed - listed == set()
    assert {*NOT_REHEARSED} <= granted(deployer_policy(settings_at(DEV), DEV))


def test_policy_fits_a_managed_policy() -> None:
    assert policy_size(deployer_policy(settings_at(DEV), DEV)) <= MAX_MANAGED_POLICY
    assert policy_size(smoke_policy(settings_at(DEV), DEV)) <= MAX_MANAGED_POLICY


def test_only_what_has_no_narrower_resource_has_a_wildcard() -> None:
    policy = deployer_policy(settings_at(DEV), DEV)
    wildcards = {action for statement in policy["Statement"] if "*" in statement["Resource"] for action in statement["Action"]}
    assert wildcards == {
        "cloudwatch:GetMetricStatistics", "lambda:CreateEventSourceMapping", "lambda:ListEventSourceMappings",
        "lambda:ListFunctions", "logs:DescribeLogGroups", "ses:DescribeConfigurationSet", "ses:GetAccount",
        "ses:ListEmailIdentities",
    }  # fmt: skip
    assert not any("*" in action for action in granted(policy))


GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{}:log-stream:"
FUNCTION, ROLE = "arn:aws:lambda:eu-west-1:123456789012:function:{}", "arn:aws:iam::123456789012:role/{}"
LAMBDA = {"iam:PassedToService": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("use", "allowed"),
    [
        (Use("lambda:CreateFunction", FUNCTION.format("dropnote-dev-sweep")), True),
        (Use("lambda:CreateFunction", FUNCTION.format("dropnote-dev")), True),
        (Use("lambda:DeleteFunction", FUNCTION.format("dropnote-dev2-sweep")), False),
        (Use("lambda:DeleteFunction", FUNCTION.format("payroll")), False),
        (Use("iam:PassRole", ROLE.format("dropnote-dev-sweep"), LAMBDA), True),
        (Use("iam:PassRole", ROLE.format("dropnote-dev-sweep"), {"iam:PassedToService": "ec2.amazonaws.com"}), False),
        (Use("iam:PassRole", ROLE.format("admin"), LAMBDA), False),
        (Use("iam:PutRolePolicy", ROLE.format("dropnote-prod-sweep")), False),
        (Use("lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": FUNCTION.format("payroll")}), False),
        (Use("s3:PutBucketNotification", "arn:aws:s3:::acme-drops"), True),
        (Use("s3:PutBucketNotification", "arn:aws:s3:::payroll"), False),
        (Use("sns:DeleteTopic", "arn:aws:sns:eu-west-1:123456789012:dropnote-dev-mail-events"), True),
        (Use("ses:DeleteConfigurationSet", "arn:aws:ses:eu-west-1:123456789012:configuration-set/dropnote-dev"), True),
        (Use("ses:DeleteConfigurationSet", "arn:aws:ses:eu-west-1:123456789012:configuration-set/marketing"), False),
        (Use("ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/dropnote/prod/twilio-auth-token"), False),
        (Use("logs:DeleteLogGroup", GROUP.format("dropnote-dev2")), False),
        (Use("logs:DeleteLogGroup", GROUP.format("dropnote-dev")), True),
    ],
)
def test_policy_is_for_one_stage_only(use: Use, allowed: bool) -> None:
    assert (denied([use], deployer_policy(some_settings(), DEV)) == []) is allowed


def test_smoke_policy_reaches_no_stage_and_no_bucket_but_its_own() -> None:
    policy = smoke_policy(some_settings(), DEV)
    own = [Use("lambda:CreateFunction", FUNCTION.format("dropnote-smokea1b2c-sweep"))]
    own += [Use("s3:CreateBucket", "arn:aws:s3:::dropnote-smoke-a1b2c")]
    assert denied(own, policy) == []
    foreign = [Use("lambda:DeleteFunction", FUNCTION.format("dropnote-dev-sweep"))]
    foreign += [Use("s3:DeleteBucket", "arn:aws:s3:::acme-drops")]
    assert len(denied(foreign, policy)) == 2


def actions_on(text: str, policy: dict[str, Any]) -> set[str]:
    """The actions that a policy allows on resources with a text in their ARN."""
    found = [statement for statement in policy["Statement"] if any(text in resource for resource in statement["Resource"])]
    return granted({"Statement": found})


def test_mail_by_smtp_needs_nothing_of_ses() -> None:
    policy = deployer_policy(some_settings(**{'from = "Acme drops <drops@example.com>"': SMTP}), DEV)
    assert not {action for action in granted(policy) if action.startswith("ses:")}
    assert actions_on(":dropnote-dev-mail-events", policy) == set()


@pytest.mark.parametrize(
    ("more", "resource"),
    [("[metrics]", ":dashboard/dropnote-dev"), (TRIGGERS.format("aws", "eu-west-1"), ":jobs"), ("region", "configuration-set")],
)
def test_feature_that_is_not_used_is_not_granted(more: str, resource: str) -> None:
    elsewhere = some_settings(**{"[email]": '[email]\nregion = "us-east-1"'})  # SES reports to topics of its own region only
    used, unused = (some_settings(), elsewhere) if more == "region" else (some_settings(more), some_settings())
    assert actions_on(resource, deployer_policy(used, DEV))
    assert actions_on(resource, deployer_policy(unused, DEV)) == set()


def test_subscriptions_of_a_topic_with_mail_reports_can_be_read() -> None:
    topic = "arn:aws:sns:us-west-2:210987654321:ses-events"  # in another region and account
    policy = deployer_policy(some_settings(**{"[email]": f'[email]\nregion = "us-west-2"\nevents_topic = "{topic}"'}), DEV)
    assert denied([Use("sns:ListSubscriptionsByTopic", topic)], policy) == []
    assert len(denied([Use("sns:ListSubscriptionsByTopic", topic[:-1]), Use("sns:Subscribe", topic)], policy)) == 2
    assert list(problems(policy, EVERY_LEVEL)) == []


def test_versions_are_read_only_in_buckets_of_rules_that_ask() -> None:
    policy = deployer_policy(settings_at(DEV), DEV)
    assert "s3:GetBucketVersioning" in actions_on(":::deliveries", policy)
    assert "s3:GetBucketVersioning" not in actions_on(":::jobs", policy)


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["policy", "--stage", "dev", *arguments])


def test_command_prints_the_policy_without_an_account() -> None:
    result = policy("--account", "123456789012", "--region", "cn-north-1")
    assert result.exit_code == 0, result.output
    assert "arn:aws-cn:iam::123456789012:role/dropnote-dev-*" in str(json.loads(result.stdout))
    trusted = policy("--account", "123456789012", "--region", "eu-west-1", "--trust", "acme/alerts")
    assert "repo:acme/alerts:environment:dev" in str(json.loads(trusted.stdout))


def test_account_number_that_is_none_is_reported() -> None:
    result = policy("--account", "12", "--region", "eu-west-1")
    assert (result.exit_code, "use its 12 digits" in result.output) == (1, True)
