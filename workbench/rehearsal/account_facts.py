"""Reads back what each step of a deployment leaves in the account, and compares it with what it should be.

MiniStack 1.5.33 ignores a table's time to live, point-in-time recovery and encryption set by CloudFormation. These are looked up
by name in the template instead: see NOT_IN_EMULATOR.
"""

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Settings, Trigger
from chalicelib.health import buckets as bucket_rules
from chalicelib.health.check import bucket_notifications
from chalicelib.platform.function_names import function_name

from ..deployment.config import POLICIES, read_stage
from ..deployment.finish import is_finished, retries_for
from ..deployment.setup import LOG_DAYS, Setup
from .runner import Runner

NOT_IN_EMULATOR = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification", "SSESpecification")
ALARMS = ("sweep-stopped", "sweep-fails", "watch-stopped", "watch-fails", "dead-events-wait")


class AccountFacts:
    """Facts about the account. `client` creates boto3 clients for it."""

    def __init__(self, runner: Runner, client: Any, project: Path, stage: str) -> None:
        self._runner, self._client, self._project, self._stage = runner, client, project, stage

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the stage's functions in config.json."""
        variables: dict[str, str] = read_stage(self._project, self._stage)["environment_variables"]
        return variables

    @property
    def settings(self) -> Settings:
        """The settings of the checkout, with the stage's environment."""
        return Setup(self._project, self._stage, self._client).settings(self.variables)

    def after_setup(self, secret: str) -> None:
        """Check the account after `dropnote setup`."""
        fact, stage, variables = self._runner.fact, self._stage, self.variables
        for name in ("ledger", "counters"):
            table = self._client("dynamodb").describe_table(TableName=f"dropnote-{stage}-{name}")["Table"]
            fact(f"table {name}: billed on demand", table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
            view = "NEW_AND_OLD_IMAGES" if name == "ledger" else None
            fact(f"table {name}: stream", table.get("StreamSpecification", {}).get("StreamViewType"), view)
        template = (self._project / "resources.yaml").read_text()
        for name in NOT_IN_EMULATOR:
            fact(f"both tables have {name} (in the template, because the emulator ignores it)", template.count(f"{name}:"), 2)
        retention = self._queue("dead-events").get("MessageRetentionPeriod")
        fact("the dead-letter queue keeps events for 14 days", retention, "1209600")
        alarms = {alarm["AlarmName"] for alarm in self._client("cloudwatch").describe_alarms()["MetricAlarms"]}
        fact("the bot's own alarms exist", alarms, {f"dropnote-{stage}-{name}" for name in ALARMS})
        subscriptions = self._client("sns").list_subscriptions()["Subscriptions"]
        fact("the owner is subscribed to the alarms", [subscription["Protocol"] for subscription in subscriptions], ["email"])
        prefix = variables["DROPNOTE_SECRETS"]
        parameters = self._client("ssm").get_parameters_by_path(Path=prefix, WithDecryption=True)["Parameters"]
        types = {parameter["Name"].removeprefix(prefix): parameter["Type"] for parameter in parameters}
        fact("secrets are SecureStrings", types.get("twilio-auth-token", "SecureString"), "SecureString")
        files = [file for file in self._project.rglob("*") if file.is_file() and ".dropnote" not in file.parts]
        fact("no file contains a secret", [str(file) for file in files if secret.encode() in file.read_bytes()], [])
        fact("config.json has the names of the stage's resources", variables.get("DROPNOTE_LEDGER"), f"dropnote-{stage}-ledger")
        fact("config.json has the ledger's stream", variables.get("DROPNOTE_STREAM"), self._stream())

    def after_deploy(self) -> None:
        """Check the account after `chalice deploy`."""
        fact, settings = self._runner.fact, read_stage(self._project, self._stage)
        policies = {file.stem: file for file in (self._project / ".chalice" / POLICIES / self._stage).glob("*.json")}
        functions = self.functions()
        fact("exactly the functions with a policy exist", set(functions), set(policies))
        fact("each function has its own role", len({function["Role"] for function in functions.values()}), len(functions))
        for name, function in functions.items():
            role = function["Role"].rpartition("/")[2]
            policy = self._client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
            variables, own = settings["environment_variables"], settings["lambda_functions"].get(name, {})
            timeout = own.get("lambda_timeout", settings["lambda_timeout"])
            fact(f"{name}: policy, environment, timeout and memory",
                (policy, function["Environment"]["Variables"], function["Timeout"], function["MemorySize"]),
                (json.loads(policies[name].read_text()), variables, timeout, settings["lambda_memory_size"]),
            )  # fmt: skip
        groups = self._client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/dropnote-{self._stage}")["logGroups"]
        retention = {group["logGroupName"].rpartition("/")[2]: group.get("retentionInDays") for group in groups}
        expected = {function["FunctionName"]: LOG_DAYS for function in functions.values()}
        fact(f"each function's log expires after {LOG_DAYS} days", retention, expected)
        for bucket in self.settings.buckets:
            notifications = bucket_notifications(self._client("s3"), bucket)
            own = functions.get(function_name("upload", bucket), {}).get("FunctionArn", "")
            trigger = self.settings.bucket(bucket).trigger
            problems = [problem.what for problem in bucket_rules.bucket(self.settings, bucket, notifications, own, self._stage)]
            fact(f"{bucket}: uploads reach the bot, trigger {trigger}", problems, [])
            if trigger is Trigger.DIRECT:
                fact(f"{bucket}: still notifies EventBridge", "EventBridgeConfiguration" in (notifications or {}))
        for name, schedule in (("sweep", "rate(1 minute)"), ("watch", "rate(1 minute)"), ("upload_events", None)):
            if name in functions or schedule:
                rules = [(rule.get("ScheduleExpression"), rule["State"]) for rule in self._rules(functions[name]["FunctionArn"])]
                fact(f"{name}: its EventBridge rule is enabled", rules, [(schedule, "ENABLED")])

    def after_finish(self, url: str) -> None:
        """Check the account after `dropnote finish`."""
        fact, client = self._runner.fact, self._client("lambda")
        queue = self._queue("dead-events")["QueueArn"]
        for name, function in self.functions().items():
            if not (retries := retries_for(name)):
                continue
            config = client.get_function_event_invoke_config(FunctionName=function["FunctionArn"])
            destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            actual = (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"], destination)
            expected = (retries.attempts, retries.event_age_s, queue if retries.dead_letter else None)
            fact(f"{name}: retries, event age and dead-letter queue", actual, expected)
        (mapping,) = client.list_event_source_mappings(FunctionName=f"dropnote-{self._stage}-count")["EventSourceMappings"]
        fact("count: reads the ledger's stream", (mapping["EventSourceArn"], mapping["State"]), (self._stream(), "Enabled"))
        fact("count: filter, retries, record age and failures per record", is_finished(mapping))
        value = self._client("ssm").get_parameter(Name=f"/dropnote/{self._stage}/public-url")["Parameter"]["Value"]
        fact("the public URL for Twilio is stored", value, url)

    def after_removal(self, *, tables: bool) -> None:
        """Check the account after `dropnote remove`."""
        fact, client, stage = self._runner.fact, self._client, self._stage
        fact("no functions remain", set(self.functions()), set())
        mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]
        fact("no stream or queue triggers remain", [mapping["EventSourceArn"] for mapping in mappings], [])
        roles = [role["RoleName"] for role in client("iam").list_roles()["Roles"]]
        fact("no roles remain", [name for name in roles if name.startswith(f"dropnote-{stage}")], [])
        rules = [rule["Name"] for rule in client("events").list_rules()["Rules"]]
        fact("no EventBridge rules remain", [name for name in rules if name.startswith(f"dropnote-{stage}")], [])
        notifications = client("s3").get_bucket_notification_configuration(Bucket=self.variables["UPLOAD_BUCKET"])
        fact("the bucket notifies no function", notifications.get("LambdaFunctionConfigurations", []), [])
        fact("no REST API remains", client("apigateway").get_rest_apis()["items"], [])
        parameters = client("ssm").get_parameters_by_path(Path=f"/dropnote/{stage}/")["Parameters"]
        fact("no secrets remain", [parameter["Name"] for parameter in parameters], [])
        fact("no queue remains", client("sqs").list_queues(QueueNamePrefix=f"dropnote-{stage}-dead").get("QueueUrls", []), [])
        topics = [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]]
        fact("no topics remain", [arn for arn in topics if f":dropnote-{stage}-" in arn], [])
        subscriptions = client("sns").list_subscriptions()["Subscriptions"]
        fact("no subscriptions remain", [entry["Endpoint"] for entry in subscriptions if entry["Protocol"] == "lambda"], [])
        sets = client("sesv2").list_configuration_sets().get("ConfigurationSets", [])
        fact("no configuration set remains", [name for name in sets if name == f"dropnote-{stage}"], [])
        fact("no alarms remain", client("cloudwatch").describe_alarms()["MetricAlarms"], [])
        groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/dropnote-{stage}")["logGroups"]
        fact("no log groups remain", [group["logGroupName"] for group in groups], [])
        existing = [name for name in client("dynamodb").list_tables()["TableNames"] if name.startswith(f"dropnote-{stage}")]
        expected = [] if tables else [f"dropnote-{stage}-counters", f"dropnote-{stage}-ledger"]
        fact("the tables are deleted" if tables else "the tables are kept, as announced", sorted(existing), expected)
        fact("no policy files remain", (self._project / ".chalice" / POLICIES / stage).exists(), expected=False)

    def functions(self) -> dict[str, dict[str, Any]]:
        """The stage's functions by the name of their handler."""
        prefix = f"dropnote-{self._stage}"
        pages = self._client("lambda").get_paginator("list_functions").paginate()
        functions = (function for page in pages for function in page["Functions"] if function["FunctionName"].startswith(prefix))
        return {function["FunctionName"][len(prefix) + 1 :] or "api_handler": function for function in functions}

    def _stream(self) -> str:
        """The ARN of the ledger's current stream."""
        table = self._client("dynamodb").describe_table(TableName=f"dropnote-{self._stage}-ledger")["Table"]
        return str(table["LatestStreamArn"])

    def _rules(self, arn: str) -> list[dict[str, Any]]:
        events = self._client("events")
        return [events.describe_rule(Name=name) for name in events.list_rule_names_by_target(TargetArn=arn)["RuleNames"]]

    def _queue(self, name: str) -> dict[str, str]:
        queues = self._client("sqs")
        try:
            url = queues.get_queue_url(QueueName=f"dropnote-{self._stage}-{name}")["QueueUrl"]
        except ClientError:
            return {}
        attributes: dict[str, str] = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return attributes
