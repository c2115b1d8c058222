"""Builds the IAM policies of whoever deploys a stage: what set-up, `chalice deploy`, finish, doctor and remove call, and no more.

Sources: AWS Service Authorization Reference, "Actions, resources, and condition keys"; the permissions that CloudFormation's
resource types list for their handlers (CloudFormation calls these with the deployer's permissions: CloudFormation user guide,
"Control CloudFormation access with IAM"); IAM user guide, "IAM and AWS STS quotas" (a managed policy has 6,144 characters);
GitHub docs, "Configuring OpenID Connect in Amazon Web Services" (the trust policy).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from chalicelib.domain.settings import Settings

from ..errors import SetupError
from ..grants import APP, StageLocation
from ..identities import by_ses, identity_names, sender_address

MAX_MANAGED_POLICY = 6_144  # characters; an inline policy of a role may have 10,240
SMOKE_STAGE, SMOKE_BUCKET = "smoke", f"{APP}-smoke"  # begin the names that a smoke test gives its stage and its bucket
_GITHUB = "token.actions.githubusercontent.com"
# Repositories created since 15 July 2026 have numbers in their subjects: OWNER@ID/REPOSITORY@ID (GitHub changelog, "Immutable
# subject claims for GitHub Actions OIDC tokens").
_REPOSITORY = re.compile(r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", re.ASCII)
_SUBJECT = re.compile(rf"{_REPOSITORY.pattern}:(environment|ref):[\w./-]+", re.ASCII)

Statement = dict[str, Any]


@dataclass(frozen=True)
class Deployer:
    """The permissions to deploy and remove one stage. `location.stage` may end in "*", for stages of any such name."""

    settings: Settings
    location: StageLocation
    buckets: tuple[str, ...]  # that the rules name; each may end in "*"
    owner: bool = True  # an owner gets the alarms by a topic

    def statements(self) -> Iterator[Statement]:
        """The policy's statements."""
        yield from self._stack()
        yield from self._functions()
        yield from self._triggers()
        yield from self._secrets_and_logs()
        yield from self._mail()

    def _stack(self) -> Iterator[Statement]:
        """The stack of resources.yaml, and what CloudFormation does for it in the deployer's name."""
        stage, arn = self.location.stage, self.location.arn
        yield _allow(
            "Stack",
            "cloudformation:CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents DescribeStacks "
            "ExecuteChangeSet",
            arn("cloudformation", f"stack/{APP}-{stage}-resources/*"),
        )
        yield _allow(
            "Tables",
            "dynamodb:CreateTable DeleteTable DescribeContinuousBackups DescribeContributorInsights "
            "DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive GetResourcePolicy ListTagsOfResource "
            "UpdateContinuousBackups UpdateTable UpdateTimeToLive",
            *(arn("dynamodb", f"table/{APP}-{stage}-{table}") for table in ("ledger", "counters")),
        )
        yield _allow("LastSweep", "dynamodb:GetItem", arn("dynamodb", f"table/{APP}-{stage}-ledger"))  # for the doctor
        if self.settings.tables:
            tables = (arn("dynamodb", f"table/{table}") for table in self.settings.tables)
            yield _allow("TablesOfRules", "dynamodb:DescribeTable", *tables)
        queues = [queue.rpartition(":")[2] for queue in self.settings.queues]
        yield _allow(
            "DeadEvents",
            "sqs:CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes",
            arn("sqs", f"{APP}-{stage}-dead-events"),
        )
        if queues:
            yield _allow("QueuesOfBuckets", "sqs:GetQueueAttributes GetQueueUrl", *self.settings.queues)
        if self.owner:
            yield _allow(
                "AlarmTopic",
                "sns:CreateTopic DeleteTopic GetDataProtectionPolicy GetTopicAttributes ListSubscriptionsByTopic "
                "ListTagsForResource SetTopicAttributes Subscribe Unsubscribe",
                arn("sns", f"{APP}-{stage}-alarms"),
            )
        yield _allow(
            "Alarms",
            "cloudwatch:DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm",
            arn("cloudwatch", f"alarm:{APP}-{stage}-*"),
        )

    def _functions(self) -> Iterator[Statement]:
        """The functions, each with a role of its own that only Lambda can be given."""
        stage, arn = self.location.stage, self.location.arn
        functions = (arn("lambda", f"function:{APP}-{stage}"), arn("lambda", f"function:{APP}-{stage}-*"))
        yield _allow(
            "Functions",
            "lambda:AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency GetFunction GetFunctionConfiguration "
            "GetFunctionEventInvokeConfig GetPolicy ListTags PutFunctionConcurrency PutFunctionEventInvokeConfig "
            "RemovePermission TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration",
            *functions,
        )
        yield _allow(
            "Roles",
            "iam:CreateRole DeleteRole DeleteRolePolicy GetRole ListRolePolicies PutRolePolicy",
            self._roles,
        )
        passed = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        yield _allow("PassRole", "iam:PassRole", self._roles, condition=passed)
        ours = {"ArnLike": {"lambda:FunctionArn": list(functions)}}
        yield _allow("ConnectStreams", "lambda:CreateEventSourceMapping", "*", condition=ours)  # it has no resource
        yield _allow(
            "Streams",
            "lambda:DeleteEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping",
            arn("lambda", "event-source-mapping:*"),  # named by AWS
            condition=ours,
        )

    @property
    def _roles(self) -> str:
        return f"arn:{self.location.partition}:iam::{self.location.account}:role/{APP}-{self.location.stage}-*"

    def _triggers(self) -> Iterator[Statement]:
        """What invokes the functions."""
        stage, arn = self.location.stage, self.location.arn
        yield _allow("Schedules", "events:DeleteRule PutRule PutTargets RemoveTargets", arn("events", f"rule/{APP}-{stage}-*"))
        # AWS names an API: no stage's ARN is known before it exists
        apis = f"arn:{self.location.partition}:apigateway:{self.location.region}::/restapis"
        yield _allow("Api", "apigateway:DELETE GET PATCH POST PUT", apis, f"{apis}/*")
        if self.buckets:
            buckets = (f"arn:{self.location.partition}:s3:::{bucket}" for bucket in self.buckets)
            yield _allow("Buckets", "s3:GetBucketNotification PutBucketNotification", *buckets)
        if self.settings.topics:
            actions = "sns:GetSubscriptionAttributes GetTopicAttributes ListSubscriptionsByTopic Subscribe Unsubscribe"
            yield _allow("TopicsOfBuckets", actions, *self.settings.topics)
        without_resource = ["lambda:ListEventSourceMappings", "lambda:ListFunctions", "logs:DescribeLogGroups"]
        without_resource += ["cloudwatch:GetMetricStatistics"]  # the doctor: did the sweep run
        yield _allow("Lists", " ".join(without_resource), "*")

    def _secrets_and_logs(self) -> Iterator[Statement]:
        stage, arn = self.location.stage, self.location.arn
        yield _allow(
            "Secrets",
            "ssm:DeleteParameter GetParameters GetParametersByPath ListTagsForResource PutParameter",
            arn("ssm", f"parameter/{APP}/{stage}/*"),
            arn("ssm", f"parameter/{APP}/{stage}"),  # GetParametersByPath names the path itself
        )
        actions = "logs:CreateLogGroup DeleteLogGroup PutRetentionPolicy"
        groups = (arn("logs", f"log-group:/aws/lambda/{APP}-{stage}{rest}") for rest in ("-*", ":*"))
        yield _allow("LogGroups", actions, *groups)

    def _mail(self) -> Iterator[Statement]:
        """To look at the sender, and whether the functions may send: nothing here sends or verifies."""
        if not by_ses(self.settings):
            return
        region = self.settings.email.region if self.settings.email else ""
        there = replace(self.location, region=region or self.location.region)
        identities = (there.arn("ses", f"identity/{name}") for name in identity_names(sender_address(self.settings)))
        yield _allow("Sender", "ses:GetEmailIdentity", *identities)
        yield _allow("MayFunctionsSend", "iam:SimulatePrincipalPolicy", self._roles)
        yield _allow("MailAccount", "ses:GetAccount ListEmailIdentities", "*")


def deployer_policy(settings: Settings, location: StageLocation) -> dict[str, Any]:
    """The policy of whoever sets up, deploys, checks and removes a stage."""
    return _document(Deployer(settings, location, tuple(settings.buckets)).statements())


def smoke_policy(settings: Settings, location: StageLocation) -> dict[str, Any]:
    """The policy of whoever runs the smoke test: to deploy a stage and a bucket of its own names, and to use them.

    `location.stage` is ignored.
    """
    there = replace(location, stage=f"{SMOKE_STAGE}*")
    bucket, stage = f"arn:{there.partition}:s3:::{SMOKE_BUCKET}-*", there.stage
    table = there.arn("dynamodb", f"table/{APP}-{stage}-ledger")
    functions = (there.arn("lambda", f"function:{APP}-{stage}-{name}") for name in ("upload_*", "watch_now"))
    use = [
        _allow("SmokeBucket", "s3:CreateBucket DeleteBucket ListBucket", bucket),
        _allow("SmokeFiles", "s3:DeleteObject PutObject", f"{bucket}/*"),
        _allow("SmokeInvoke", "lambda:InvokeFunction", *functions),
        _allow("SmokeLeftovers", "events:ListRules iam:ListRoles", "*"),
        _allow("SmokeLedger", "dynamodb:BatchGetItem GetItem Query", table, f"{table}/index/*"),
    ]
    alone = msgspec.structs.replace(settings, rules=(), triggers={})  # only the senders are those of the settings
    return _document([*Deployer(alone, there, (f"{SMOKE_BUCKET}-*",), owner=False).statements(), *use])


def trust_policy(location: StageLocation, subject: str) -> dict[str, Any]:
    """The trust policy of a role that GitHub Actions assumes. `subject` is OWNER/REPOSITORY:environment:NAME or …:ref:REF;
    without one of these, the environment has the stage's name.

    Raises:
        SetupError: any repository, or any branch, could assume the role.
    """
    if _REPOSITORY.fullmatch(subject):
        subject = f"{subject}:environment:{location.stage}"
    if not _SUBJECT.fullmatch(subject):
        raise SetupError(f"invalid subject {subject!r}; use OWNER/REPOSITORY, or OWNER/REPOSITORY:ref:refs/heads/main")
    provider = f"arn:{location.partition}:iam::{location.account}:oidc-provider/{_GITHUB}"
    claims = {f"{_GITHUB}:aud": "sts.amazonaws.com", f"{_GITHUB}:sub": f"repo:{subject}"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _document(statements: Iterator[Statement] | list[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: str, *resources: str, condition: Mapping[str, Any] | None = None) -> Statement:
    """A statement. `actions` are words; one without a service has that of the word before."""
    service, full = "", []
    for word in actions.split():
        prefix, colon, _ = word.partition(":")
        service = prefix if colon else service
        full.append(word if colon else f"{service}:{word}")
    statement = {"Sid": sid, "Effect": "Allow", "Action": full, "Resource": list(resources)}
    return statement | ({"Condition": condition} if condition else {})
