"""What each step of a deployment should leave in an account, read back from it and held against the plan.

MiniStack 1.5.33 does not hold: a table's time to live, point-in-time recovery and encryption as CloudFormation sets them. All are
looked for in the template instead, by name: see NOT_HELD.
"""

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ..deployment.config import POLICIES, read_stage
from ..deployment.finish import is_finished, retries_of
from ..deployment.setup import LOG_DAYS
from .script import Script

NOT_HELD = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification", "SSESpecification")
ALARMS = ("sweep-stopped", "sweep-fails", "watch-stopped", "watch-fails", "dead-events-wait")


class Facts:
    """Reads the account. `client` makes boto3 clients of it."""

    def __init__(self, script: Script, client: Any, project: Path, stage: str) -> None:
        self._script, self._client, self._project, self._stage = script, client, project, stage

    @property
    def variables(self) -> dict[str, str]:
        """The environment of the stage's functions, by config.json."""
        found: dict[str, str] = read_stage(self._project, self._stage)["environment_variables"]
        return found

    def set_up(self, secret: str) -> None:
        """After `dropnote setup`."""
        fact, stage, variables = self._script.fact, self._stage, self.variables
        for name in ("ledger", "counters"):
            table = self._client("dynamodb").describe_table(TableName=f"dropnote-{stage}-{name}")["Table"]
            fact(f"table {name} is billed on demand", table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
            stream = "NEW_AND_OLD_IMAGES" if name == "ledger" else None
            fact(f"table {name}: its stream", table.get("StreamSpecification", {}).get("StreamViewType"), stream)
        template = (self._project / "resources.yaml").read_text()
        for name in NOT_HELD:
            fact(f"both tables have {name} (in the template: the local AWS does not hold it)", template.count(f"{name}:"), 2)
        fact("the dead-event queue keeps for 14 days", self._queue("dead-events").get("MessageRetentionPeriod"), "1209600")
        there = {each["AlarmName"] for each in self._client("cloudwatch").describe_alarms()["MetricAlarms"]}
        fact("the alarms on the bot itself", there, {f"dropnote-{stage}-{name}" for name in ALARMS})
        owners = self._client("sns").list_subscriptions()["Subscriptions"]
        fact("the owner is subscribed to them", [each["Protocol"] for each in owners], ["email"])
        prefix = variables["DROPNOTE_SECRETS"]
        kept = self._client("ssm").get_parameters_by_path(Path=prefix, WithDecryption=True)["Parameters"]
        kinds = {each["Name"].removeprefix(prefix): each["Type"] for each in kept}
        fact("secrets are SecureStrings", kinds.get("twilio-auth-token", "SecureString"), "SecureString")
        written = [file for file in self._project.rglob("*") if file.is_file() and ".dropnote" not in file.parts]
        fact("no file has a secret in it", [str(file) for file in written if secret.encode() in file.read_bytes()], [])
        fact("config.json has the stage's names", variables.get("DROPNOTE_LEDGER"), f"dropnote-{stage}-ledger")
        fact("config.json has the ledger's stream", variables.get("DROPNOTE_STREAM"), self._stream())

    def deployed(self) -> None:
        """After `chalice deploy`."""
        fact, settings = self._script.fact, read_stage(self._project, self._stage)
        policies = {file.stem: file for file in (self._project / ".chalice" / POLICIES / self._stage).glob("*.json")}
        functions = self.functions()
        fact("every function with a policy is there, and no other", set(functions), set(policies))
        fact("each has a role of its own", len({each["Role"] for each in functions.values()}), len(functions))
        for name, each in functions.items():
            role = each["Role"].rpartition("/")[2]
            there = self._client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
            fact(f"{name}: its policy, environment, time and memory",
                (there, each["Environment"]["Variables"], each["Timeout"], each["MemorySize"]),
                (json.loads(policies[name].read_text()), settings["environment_variables"], 60, settings["lambda_memory_size"]),
            )  # fmt: skip
        groups = self._client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/dropnote-{self._stage}")["logGroups"]
        kept = {each["logGroupName"].rpartition("/")[2]: each.get("retentionInDays") for each in groups}
        wanted_logs = {each["FunctionName"]: LOG_DAYS for each in functions.values()}
        fact(f"each function's log forgets after {LOG_DAYS} days", kept, wanted_logs)
        bucket = self.variables["UPLOAD_BUCKET"]
        told = self._client("s3").get_bucket_notification_configuration(Bucket=bucket)
        uploads = [each["FunctionArn"] for name, each in functions.items() if name.startswith("upload_")]
        entries = [each["LambdaFunctionArn"] for each in told.get("LambdaFunctionConfigurations", ())]
        fact("the bucket tells its function", entries and entries[0] in uploads)
        fact("the bucket still tells EventBridge", "EventBridgeConfiguration" in told)
        for name, wanted in (("sweep", "rate(1 minute)"), ("watch", "rate(1 minute)"), ("upload_events", None)):
            (rule,) = self._rules(functions[name]["FunctionArn"])
            fact(f"{name} is bound to the bus and on", (rule.get("ScheduleExpression"), rule["State"]), (wanted, "ENABLED"))

    def finished(self, url: str) -> None:
        """After `dropnote finish`."""
        fact, client = self._script.fact, self._client("lambda")
        queue = self._queue("dead-events")["QueueArn"]
        for name, each in self.functions().items():
            if not (wanted := retries_of(name)):
                continue
            told = client.get_function_event_invoke_config(FunctionName=each["FunctionArn"])
            dead = told.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            found = (told["MaximumRetryAttempts"], told["MaximumEventAgeInSeconds"], dead)
            fact(
                f"{name}: retries, age, dead events", found, (wanted.attempts, wanted.event_age_s, queue if wanted.keep else None)
            )
        (mapping,) = client.list_event_source_mappings(FunctionName=f"dropnote-{self._stage}-count")["EventSourceMappings"]
        fact("count: bound to the ledger's stream", (mapping["EventSourceArn"], mapping["State"]), (self._stream(), "Enabled"))
        fact("count: filter, retries, age, each record's fate", is_finished(mapping))
        value = self._client("ssm").get_parameter(Name=f"/dropnote/{self._stage}/public-url")["Parameter"]["Value"]
        fact("Twilio will be told the public URL", value, url)

    def removed(self, *, tables: bool) -> None:
        """After `dropnote remove`."""
        fact, client, stage = self._script.fact, self._client, self._stage
        fact("no function is left", set(self.functions()), set())
        bound = client("lambda").list_event_source_mappings()["EventSourceMappings"]
        fact("no stream or queue is bound any more", [each["EventSourceArn"] for each in bound], [])
        roles = [role["RoleName"] for role in client("iam").list_roles()["Roles"]]
        fact("no role is left", [name for name in roles if name.startswith(f"dropnote-{stage}")], [])
        rules = [rule["Name"] for rule in client("events").list_rules()["Rules"]]
        fact("no rule of the bus is left", [name for name in rules if name.startswith(f"dropnote-{stage}")], [])
        told = client("s3").get_bucket_notification_configuration(Bucket=self.variables["UPLOAD_BUCKET"])
        fact("the bucket tells no function any more", told.get("LambdaFunctionConfigurations", []), [])
        fact("no REST API is left", client("apigateway").get_rest_apis()["items"], [])
        left = client("ssm").get_parameters_by_path(Path=f"/dropnote/{stage}/")["Parameters"]
        fact("no secret is left", [each["Name"] for each in left], [])
        fact("no queue is left", client("sqs").list_queues(QueueNamePrefix=f"dropnote-{stage}-dead").get("QueueUrls", []), [])
        fact("no alarm is left", client("cloudwatch").describe_alarms()["MetricAlarms"], [])
        groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/dropnote-{stage}")["logGroups"]
        fact("no log is left", [each["logGroupName"] for each in groups], [])
        there = [name for name in client("dynamodb").list_tables()["TableNames"] if name.startswith(f"dropnote-{stage}")]
        kept = [] if tables else [f"dropnote-{stage}-counters", f"dropnote-{stage}-ledger"]
        fact("the tables are gone" if tables else "the tables are left, as it said", sorted(there), kept)
        fact("no policy is left", (self._project / ".chalice" / POLICIES / stage).exists(), wanted=False)

    def functions(self) -> dict[str, dict[str, Any]]:
        """The stage's functions by their handlers' names."""
        begin = f"dropnote-{self._stage}"
        pages = self._client("lambda").get_paginator("list_functions").paginate()
        found = (each for page in pages for each in page["Functions"] if each["FunctionName"].startswith(begin))
        return {each["FunctionName"][len(begin) + 1 :] or "api_handler": each for each in found}

    def _stream(self) -> str:
        """The stream of the ledger that is there."""
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
        found: dict[str, str] = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return found
