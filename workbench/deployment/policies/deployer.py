"""Builds the IAM policies of whoever deploys a stage: what set-up, `chalice deploy`, finish, doctor and remove call, and no more.

Sources: AWS Service Authorization Reference, "Actions, resources, and condition keys"; the permissions that CloudFormation's
resource types list for their handlers (CloudFormation calls these with the deployer's permissions: CloudFormation user guide,
"Control CloudFormation access with IAM"); IAM user guide, "IAM and AWS STS quotas" (a managed policy has 6,144 characters).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from chalicelib.domain.filters.upload import Fact
from chalicelib.domain.settings import Settings

from ..grants import APP, StageLocation
from ..identities import by_ses, identity_names, own_set, sender_address, with_mail_events
from ..limits import has_ses
from .statements import Statement, allow, document

MAX_MANAGED_POLICY = 6_144  # characters; an inline policy of a role may have 10,240
SMOKE_STAGE, SMOKE_BUCKET = "smoke", f"{APP}-smoke"  # begin the names that a smoke test gives its stage and its bucket


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
        yield allow(
            "Stack",
            "cloudformation:CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents DescribeStacks "
            "ExecuteChangeSet",
            arn("cloudformation", f"stack/{APP}-{stage}-resources/*"),
        )
        yield allow(
            "Tables",
            "dynamodb:CreateTable DeleteTable DescribeContinuousBackups DescribeContributorInsights "
            "DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive GetResourcePolicy ListTagsOfResource "
            "UpdateContinuousBackups UpdateTable UpdateTimeToLive",
            *(arn("dynamodb", f"table/{APP}-{stage}-{table}") for table in ("ledger", "counters")),
        )
        # the doctor reads the last sweep and the confirmed addresses; finish records what links in mails are made of
        yield allow("Ledger", "dynamodb:BatchGetItem GetItem UpdateItem", arn("dynamodb", f"table/{APP}-{stage}-ledger"))
        if self.settings.tables:
            tables = (arn("dynamodb", f"table/{table}") for table in self.settings.tables)
            yield allow("TablesOfRules", "dynamodb:DescribeTable", *tables)
        queues = [queue.rpartition(":")[2] for queue in self.settings.queues]
        yield allow(
            "DeadEvents",
            "sqs:CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes",
            arn("sqs", f"{APP}-{stage}-dead-events"),
        )
        if queues:
            yield allow("QueuesOfBuckets", "sqs:GetQueueAttributes GetQueueUrl", *self.settings.queues)
        topics = ["alarms"] * self.owner + ["mail-events"] * self._mail_events
        if topics:
            yield allow(
                "Topics",
                "sns:CreateTopic DeleteTopic GetDataProtectionPolicy GetSubscriptionAttributes GetTopicAttributes "
                "ListSubscriptionsByTopic ListTagsForResource SetTopicAttributes Subscribe Unsubscribe",
                *(arn("sns", f"{APP}-{stage}-{topic}") for topic in topics),
            )
        yield allow(
            "Alarms",
            "cloudwatch:DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm",
            arn("cloudwatch", f"alarm:{APP}-{stage}-*"),
        )
        if self.settings.metrics:
            yield allow(
                "Dashboard",
                "cloudwatch:DeleteDashboards GetDashboard ListTagsForResource PutDashboard",
                f"arn:{self.location.partition}:cloudwatch::{self.location.account}:dashboard/{APP}-{stage}",  # has no region
            )

    def _functions(self) -> Iterator[Statement]:
        """The functions, each with a role of its own that only Lambda can be given."""
        stage, arn = self.location.stage, self.location.arn
        functions = (arn("lambda", f"function:{APP}-{stage}"), arn("lambda", f"function:{APP}-{stage}-*"))
        yield allow(
            "Functions",
            "lambda:AddPermission CreateFunction DeleteFunction DeleteFunctionConcurrency GetFunction GetFunctionConfiguration "
            "GetFunctionEventInvokeConfig GetPolicy ListTags PutFunctionConcurrency PutFunctionEventInvokeConfig "
            "RemovePermission TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration",
            *functions,
        )
        yield allow(
            "Roles",
            "iam:CreateRole DeleteRole DeleteRolePolicy GetRole ListRolePolicies PutRolePolicy",
            self._roles,
        )
        passed = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
        yield allow("PassRole", "iam:PassRole", self._roles, condition=passed)
        ours = {"ArnLike": {"lambda:FunctionArn": list(functions)}}
        yield allow("ConnectStreams", "lambda:CreateEventSourceMapping", "*", condition=ours)  # it has no resource
        yield allow(
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
        yield allow("Schedules", "events:DeleteRule PutRule PutTargets RemoveTargets", arn("events", f"rule/{APP}-{stage}-*"))
        # AWS names an API: no stage's ARN is known before it exists
        apis = f"arn:{self.location.partition}:apigateway:{self.location.region}::/restapis"
        yield allow("Api", "apigateway:DELETE GET PATCH POST PUT", apis, f"{apis}/*")
        if self.buckets:
            buckets = (f"arn:{self.location.partition}:s3:::{bucket}" for bucket in self.buckets)
            yield allow("Buckets", "s3:GetBucketNotification PutBucketNotification", *buckets)
        rules = self.settings.rules
        versioned = dict.fromkeys(rule.bucket for rule in rules if rule.filter and Fact.PREVIOUS in rule.filter.facts)
        if versioned:  # the doctor: `previous` needs versions
            buckets = (f"arn:{self.location.partition}:s3:::{bucket}" for bucket in versioned)
            yield allow("Versions", "s3:GetBucketVersioning", *buckets)
        if self.settings.topics:
            actions = "sns:GetSubscriptionAttributes GetTopicAttributes ListSubscriptionsByTopic Subscribe Unsubscribe"
            yield allow("TopicsOfBuckets", actions, *self.settings.topics)
        without_resource = ["lambda:ListEventSourceMappings", "lambda:ListFunctions", "logs:DescribeLogGroups"]
        without_resource += ["cloudwatch:GetMetricStatistics"]  # the doctor: did the sweep run
        yield allow("Lists", " ".join(without_resource), "*")

    def _secrets_and_logs(self) -> Iterator[Statement]:
        stage, arn = self.location.stage, self.location.arn
        yield allow(
            "Secrets",
            "ssm:DeleteParameter GetParameters GetParametersByPath ListTagsForResource PutParameter",
            arn("ssm", f"parameter/{APP}/{stage}/*"),
            arn("ssm", f"parameter/{APP}/{stage}"),  # GetParametersByPath names the path itself
        )
        actions = "logs:CreateLogGroup DeleteLogGroup PutRetentionPolicy"
        groups = (arn("logs", f"log-group:/aws/lambda/{APP}-{stage}{rest}") for rest in ("-*", ":*"))
        yield allow("LogGroups", actions, *groups)

    def _mail(self) -> Iterator[Statement]:
        """To look at the sender, and whether the functions may send, and to let SES report: nothing here sends or verifies."""
        if not by_ses(self.settings):
            return
        region = self.settings.email.region if self.settings.email else ""
        there = replace(self.location, region=region or self.location.region)
        identities = (there.arn("ses", f"identity/{name}") for name in identity_names(sender_address(self.settings)))
        yield allow("Sender", "ses:GetEmailIdentity", *identities)
        yield allow("MayFunctionsSend", "iam:SimulatePrincipalPolicy", self._roles)
        if self.settings.email and self.settings.email.events_topic:  # finish and the doctor: is the stage subscribed to it
            yield allow("MailReports", "sns:ListSubscriptionsByTopic", self.settings.email.events_topic)
        account = "ses:GetAccount ListEmailIdentities"
        if self._mail_events:
            yield allow(
                "MailSet",
                "ses:CreateConfigurationSet CreateConfigurationSetEventDestination DeleteConfigurationSet "
                "DeleteConfigurationSetEventDestination GetConfigurationSet UpdateConfigurationSetEventDestination",
                self.location.arn("ses", f"configuration-set/{own_set(self.location.stage)}"),
            )
            # the sender's default set may be any
            yield allow("MailSets", "ses:GetConfigurationSetEventDestinations", self.location.arn("ses", "configuration-set/*"))
            account += " DescribeConfigurationSet"
        yield allow("MailAccount", account, "*")

    @property
    def _mail_events(self) -> bool:
        """Whether the stack has what SES reports to."""
        return with_mail_events(self.settings, self.location.region) and has_ses(self.location.partition)


def deployer_policy(settings: Settings, location: StageLocation) -> dict[str, Any]:
    """The policy of whoever sets up, deploys, checks and removes a stage."""
    return document(Deployer(settings, location, tuple(settings.buckets)).statements())


def smoke_policy(settings: Settings, location: StageLocation) -> dict[str, Any]:
    """The policy of whoever runs the smoke test: to deploy a stage and a bucket of its own names, and to use them.

    `location.stage` is ignored.
    """
    there = replace(location, stage=f"{SMOKE_STAGE}*")
    bucket, stage = f"arn:{there.partition}:s3:::{SMOKE_BUCKET}-*", there.stage
    table = there.arn("dynamodb", f"table/{APP}-{stage}-ledger")
    functions = (there.arn("lambda", f"function:{APP}-{stage}-{name}") for name in ("upload_*", "watch_now"))
    use = [
        allow("SmokeBucket", "s3:CreateBucket DeleteBucket ListBucket", bucket),
        allow("SmokeFiles", "s3:DeleteObject PutObject", f"{bucket}/*"),
        allow("SmokeInvoke", "lambda:InvokeFunction", *functions),
        allow("SmokeLeftovers", "events:ListRules iam:ListRoles", "*"),
        allow("SmokeLedger", "dynamodb:BatchGetItem GetItem Query", table, f"{table}/index/*"),
    ]
    alone = msgspec.structs.replace(settings, rules=(), triggers={}, metrics=None)  # only the senders are those of the settings
    return document([*Deployer(alone, there, (f"{SMOKE_BUCKET}-*",), owner=False).statements(), *use])
