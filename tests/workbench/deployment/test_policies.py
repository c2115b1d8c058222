"""The generated policies, checked against AWS's Service Authorization Reference."""

import re
from typing import Any

import pytest

from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import stream_variable
from tests.support.builders import ENVIRON, MONITORS, some_settings
from tests.workbench.deployment.authorization_reference import arn_fits, problems
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.identities import mail_event_variables
from workbench.paths import PROJECT

RULES = """
[[rules]]
name = "batches"
bucket = "deliveries"
key = "day/**"
notify = ["email:asha"]
complete = { marker = "_SUCCESS" }
[[rules]]
name = "alarms"
on = "bus"
event = ["alarm"]
notify = ["email:asha"]
[[rules]]
name = "orders"
on = "item"
table = "orders"
count = "orders by status"
notify = ["email:asha"]
"""
EVERY_MONITOR = (
    MONITORS
    + """[[monitors]]
name = "beat"
kind = "freshness"
table = "state"
item = { id = "import" }
field = "done_at"
newest = "26h"
notify = ["email:asha"]
[[monitors]]
name = "backlog"
kind = "freshness"
metric = "AWS/SQS NumberOfMessagesSent"
newest = "3h"
notify = ["email:asha"]
[[monitors]]
name = "web server"
kind = "instance"
id = "i-0123456789abcdef0"
cpu = "above 80 % for 15 min"
notify = ["email:asha"]
"""
)
SMTP = 'from = "drops@example.com"\ntransport = "smtp"\nhost = "mail.example.com"\nsecurity = "tls"\nusername = "me"'
ASKING = """
[[rules]]
name = "asking"
bucket = "deliveries"
key = ["in/**/*.pdf", "a${NAME}/**", "!in/old/**"]
notify = ["email:asha"]
content_type = "application/pdf"
any = [{ tags = { class = "secret" } }, { previous = "none" }]
"""
LINKING = """
[[rules]]
name = "linking"
bucket = "deliveries"
key = "in/**/*.pdf"
notify = ["email:asha"]
link = "7d"
[[upload_links]]
bucket = "deliveries"
folder = "partner-a/"
"""
SETTINGS = {
    "a single rule": some_settings(),
    "every kind of rule": some_settings(RULES),
    "a rule that asks about the object": some_settings(ASKING.replace("${NAME}", "$$")),
    "links to files": some_settings(LINKING),
    "every kind of monitor": some_settings(EVERY_MONITOR),
    "rules and monitors": some_settings(RULES + EVERY_MONITOR),
    "mail by SMTP": some_settings(RULES, **{'from = "Acme drops <drops@example.com>"': SMTP}),
}
STREAM = "arn:{}:dynamodb:eu-west-1:123456789012:table/{}/stream/2026-11-24T10:00:00.000"
LOCATIONS = {
    "aws": StageLocation("prod", "123456789012", "eu-west-1"),
    "sandbox": StageLocation("prod", "123456789012", "eu-west-1", sandbox=True),
    "China": StageLocation("prod", "123456789012", "cn-north-1", partition="aws-cn"),
}


def documents(settings: Settings, location: StageLocation) -> dict[str, dict[str, Any]]:
    variables = {
        **ENVIRON,
        "DROPNOTE_COUNTERS": "dropnote-prod-counters",
        "DROPNOTE_DEAD_EVENTS": "dropnote-prod-dead-events",
        "DROPNOTE_SECRETS": "/dropnote/prod/",
        "DROPNOTE_STREAM": STREAM.format(location.partition, "dropnote-prod-ledger"),
        "UPLOAD_QUEUE": "dropnote-uploads",
        **mail_event_variables("prod", location.arn("sns", "dropnote-prod-mail-events"), location.configuration_sets),
        stream_variable("orders"): STREAM.format(location.partition, "orders"),
    }
    return policies(settings, variables, location)


def test_links_reach_only_the_folders_of_the_settings() -> None:
    statements = documents(SETTINGS["links to files"], LOCATIONS["aws"])["api_handler"]["Statement"]
    s3 = {statement["Sid"]: statement for statement in statements if statement["Action"][0].startswith("s3:")}
    assert s3["LinkedObjects"]["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert s3["LinkedObjects"]["Resource"] == ["arn:aws:s3:::deliveries/in/*"]
    assert s3["LinkedBuckets"]["Resource"] == ["arn:aws:s3:::deliveries"]
    assert (s3["UploadLinks"]["Action"], s3["UploadLinks"]["Resource"]) == (
        ["s3:PutObject"],
        ["arn:aws:s3:::deliveries/partner-a/*"],
    )
    others = documents(SETTINGS["a single rule"], LOCATIONS["aws"])["api_handler"]["Statement"]
    assert not [statement for statement in others if statement["Action"][0].startswith("s3:")]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_every_action_and_resource_is_in_the_authorization_reference(settings: str, location: str) -> None:
    for function, policy in documents(SETTINGS[settings], LOCATIONS[location]).items():
        assert list(problems(policy)) == [], function


def test_every_action_that_the_code_can_grant_was_checked() -> None:
    deployment = PROJECT / "workbench" / "deployment"
    sources = [
        deployment / "grants.py",
        deployment / "policies" / "permissions.py",
        *(PROJECT / "chalicelib" / "monitors").rglob("*.py"),
    ]
    named = {action for file in sources for action in re.findall(r'"([a-z0-9]+:[A-Z]\w+)"', file.read_text())}
    policies_ = [policy for settings in SETTINGS.values() for policy in documents(settings, LOCATIONS["aws"]).values()]
    granted = {action for policy in policies_ for statement in policy["Statement"] for action in statement["Action"]}
    assert named
    assert named <= granted


TABLE, QUEUE = "arn:aws:dynamodb:eu-west-1:123456789012:table/t", "arn:aws:sqs:eu-west-1:123456789012:q"
MISTAKES: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
    ("dynamodb:GetItems: no such action", ["dynamodb:GetItems"], [TABLE], {}),
    ("dynamo:GetItem: no such action", ["dynamo:GetItem"], [TABLE], {}),
    ("sqs:sendMessage: spelled SendMessage", ["sqs:sendMessage"], [QUEUE], {}),
    ("dynamodb:PutItem: applies to none of", ["dynamodb:PutItem"], [f"{TABLE}/index/day"], {}),
    ("dynamodb:Query: applies to none of", ["dynamodb:Query"], [QUEUE], {}),
    ("dynamodb:GetRecords: applies to none of", ["dynamodb:GetRecords"], [TABLE], {}),
    ("s3:ListBucket: applies to none of", ["s3:ListBucket"], ["arn:aws:s3:::bucket/*"], {}),
    ("s3:GetObject: applies to none of", ["s3:GetObject"], ["arn:aws:s3:::bucket"], {}),
    ("logs:PutLogEvents: applies to none of", ["logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:123456789012:log-group:g"], {}),
    ("ssm:GetParameter: applies to none of", ["ssm:GetParameter"], ["arn:aws:ssm:eu-west-1:123456789012:parameters/a"], {}),
    ("sqs:SendMessage: applies to none of *", ["sqs:SendMessage"], ["*"], {}),
    ("ses:GetAccount: applies to none of", ["ses:GetAccount"], ["arn:aws:ses:eu-west-1:123456789012:identity/a"], {}),
    (f"{QUEUE}: no action of the statement", ["dynamodb:GetItem"], [TABLE, QUEUE], {}),
    ("sqs:AddPermission: access level Permissions management", ["sqs:AddPermission"], [QUEUE], {}),
    ("dynamodb:GetItem: no condition key dynamodb:LeadingKey", ["dynamodb:GetItem"], [TABLE],
        {"ForAllValues:StringEquals": {"dynamodb:LeadingKey": ["a"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "actions", "resources", "condition"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_mistake_in_a_policy_is_found(problem: str, actions: list[str], resources: list[str], condition: dict[str, Any]) -> None:
    found, *_ = problems({"Statement": [{"Action": actions, "Resource": resources, "Condition": condition}]})
    assert found.startswith(problem)


def test_condition_keys_of_the_action_and_of_its_tags_are_known() -> None:
    condition = {"StringEquals": {"dynamodb:LeadingKeys": "a", "aws:SourceAccount": "123456789012"}}
    assert not list(problems({"Statement": [{"Action": ["dynamodb:GetItem"], "Resource": [TABLE], "Condition": condition}]}))


def test_arn_with_a_wildcard_fits_the_formats_it_can_name() -> None:
    logs = "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:${LogStreamName}"
    assert arn_fits("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/a:*", logs)
    assert not arn_fits("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/a", logs)
