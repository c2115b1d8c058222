"""Builds the IAM policy of each function: only the actions that the function uses, only on the stage's resources.

Source: AWS Service Authorization Reference, "Actions, resources, and condition keys" for DynamoDB, SES v2, SQS, Systems
Manager, S3 and CloudWatch Logs. tests/end_to_end/test_grants.py fails for an action that the function does not use.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import Any

from chalicelib.channels.registry import parameter_names
from chalicelib.channels.registry import secret_names as secret_names
from chalicelib.domain.settings import Settings, Trigger
from chalicelib.platform.function_names import (
    MAIL_EVENTS,
    MAIL_SET,
    STREAM,
    function_name,
    queue_function,
    stream_variable,
    topic_function,
)
from chalicelib.platform.signing.keys import KEY_NAME

from .identities import identity_names
from .policies.permissions import Grant as Grant
from .policies.permissions import StageLocation as StageLocation
from .policies.permissions import link_grants, object_grants

APP = "dropnote"


@dataclass(frozen=True, slots=True)
class Grants:
    """The permissions that the functions of a stage need."""

    settings: Settings
    variables: Mapping[str, str]
    location: StageLocation

    def by_function(self) -> dict[str, list[Grant]]:
        """The permissions of each function, by its name in app.py."""
        rows = self.ledger("GetItem", "PutItem", "UpdateItem")
        deliver = [rows, *self.mail(), *self.secrets()]
        take = [*deliver, self.start_sweep()]
        dead = Grant("DeadEvents", ("sqs:SendMessage",), (self.queue("DROPNOTE_DEAD_EVENTS"),), by="lambda")
        buckets = self.settings.buckets
        functions = self._upload_functions(take, dead)
        if any(rule.bus for rule in self.settings.rules):
            functions["bus"] = [*take, dead]
        if "UPLOAD_QUEUE" in self.variables:
            functions["upload_queue"] = [*take, *self.object_facts(buckets), self.receive(self.queue("UPLOAD_QUEUE"))]
        if "DROPNOTE_STREAM" in self.variables:
            functions["count"] = [rows, *self.mail(), *self.owner_secrets(), *self.ledger_counts()]
        if self.variables.get(MAIL_EVENTS):
            functions["mail_events"] = deliver
        for table in self.settings.tables:
            if stream := self.variables.get(stream_variable(table)):
                functions[function_name("items", table)] = [*take, *self.item_counts(table), self.stream(stream)]
        drain = ("sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage")
        functions |= {
            "sweep": [
                self.ledger("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
                self.indexes("day", "due"),
                self.start_sweep(),
                Grant("Counters", ("dynamodb:Query",), (self._counters,)),
                *self.mail(),
                *self.secrets(),
                *self.manifests(),
                *self.object_facts(buckets),
                Grant("DeadEvents", drain, (self.queue("DROPNOTE_DEAD_EVENTS"),)),
            ],
            "watch": self.watch(buckets),
            "send": deliver,
            "watch_now": self.monitors(),
            "digest_now": [self.ledger("BatchGetItem", "UpdateItem"), self.indexes("due")],
            "test": deliver,
            "resend": [self.ledger("GetItem", "UpdateItem")],
            "redrive": [
                self.ledger("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
                self.indexes("day"),
                *self.object_facts(buckets),
            ],
            "api_handler": [*self.console(), *self.mail(), *self.secrets(KEY_NAME)],
        }
        return functions

    def _upload_functions(self, take: Sequence[Grant], dead: Grant) -> dict[str, list[Grant]]:
        """The permissions of the functions that uploads to certain buckets invoke."""
        settings, facts = self.settings, self.object_facts
        functions = {
            function_name("upload", bucket): [*take, *facts([bucket]), dead] for bucket in settings.buckets_by(Trigger.DIRECT)
        }
        if reported := settings.buckets_by(Trigger.DIRECT, Trigger.EVENTBRIDGE):
            functions["upload_events"] = [*take, *facts(reported), dead]
        for topic in settings.topics:
            functions[topic_function(topic)] = [*take, *facts(settings.buckets_of(topic)), dead]
        for queue in settings.queues:
            functions[queue_function(queue)] = [*take, *facts(settings.buckets_of(queue)), self.receive(queue)]
        return functions

    def console(self) -> list[Grant]:
        """To find what a text or a link means and change it; and, if people may sign in, to show the console's pages."""
        rows = [self.ledger("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"), self.indexes("day")]
        rows += link_grants(self.settings, self.location.partition)
        return [*rows, Grant("Counters", ("dynamodb:Query",), (self._counters,))] if self.settings.console else rows

    def watch(self, buckets: Iterable[str]) -> list[Grant]:
        """To run the monitors and check the bot itself."""
        return [*self.monitors(), *self.health_check(buckets)]

    def monitors(self) -> list[Grant]:
        """To run the monitors and send their messages."""
        secrets = self.secrets() if self.settings.monitors else self.owner_secrets()
        return [self.ledger("GetItem", "PutItem", "Query", "UpdateItem"), *self.mail(), *secrets, *self.probes()]

    def probes(self) -> list[Grant]:
        """The AWS calls of the monitors' probes."""
        resources: dict[str, set[str]] = {}
        for monitor in self.settings.monitors:
            for action, resource in monitor.check.permissions:
                resources.setdefault(action, set()).add(self._arn_of(action, resource))
        return [
            Grant(f"Monitors{action.partition(':')[2]}", (action,), tuple(sorted(arns)))
            for action, arns in sorted(resources.items())
        ]

    def _arn_of(self, action: str, resource: str) -> str:
        if resource == "*":
            return resource
        if action.startswith("s3:"):
            return f"arn:{self.location.partition}:s3:::{resource}"
        return self.location.arn("dynamodb", f"table/{resource}")

    def ledger(self, *operations: str) -> Grant:
        """Operations on the ledger table."""
        return Grant("Ledger", tuple(f"dynamodb:{operation}" for operation in operations), (self._table,))

    def indexes(self, *names: str) -> Grant:
        """To query indexes of the ledger table."""
        return Grant("Indexes", ("dynamodb:Query",), tuple(f"{self._table}/index/{name}" for name in names))

    def start_sweep(self) -> Grant:
        """To start the sweep function."""
        name = f"function:{APP}-{self.location.stage}-sweep"
        return Grant("Sweep", ("lambda:InvokeFunction",), (self.location.arn("lambda", name),))

    def mail(self) -> list[Grant]:
        """To send mail by SES as the configured sender, whichever is verified: its address, its domain or a parent domain."""
        if (email := self.settings.email) is None or email.transport != "ses":
            return []
        addresses = [parseaddr(email.from_)[1]]
        if self.location.sandbox:
            addresses += [person.email for person in self.settings.people.values() if person.email]
        identities = dict.fromkeys(f"identity/{name}" for address in addresses for name in identity_names(address))
        own = self.variables.get(MAIL_SET, "")
        sets = [f"configuration-set/{name}" for name in (*self.location.configuration_sets, own) if name]
        there = replace(self.location, region=email.region or self.location.region)
        return [Grant("Mail", ("ses:SendEmail",), tuple(there.arn("ses", resource) for resource in (*identities, *sets)))]

    def secrets(self, *more: str) -> list[Grant]:
        """To read the parameters that the settings need, and `more`."""
        names, prefix = (*parameter_names(self.settings), *more), self.variables["DROPNOTE_SECRETS"]
        arns = tuple(self.location.arn("ssm", f"parameter{prefix}{name}") for name in names)
        return [Grant("Secrets", ("ssm:GetParameters",), arns)] if arns else []

    def owner_secrets(self) -> list[Grant]:
        """The secrets, if the owner is notified by text or SMTP. With SES they are not needed."""
        owner = self.settings.people.get(self.settings.bot.owner)
        return [] if owner and owner.email and self.mail() else self.secrets()

    def health_check(self, buckets: Iterable[str]) -> list[Grant]:
        """To check the bot itself."""
        arns = tuple(f"arn:{self.location.partition}:s3:::{bucket}" for bucket in buckets)
        queue = Grant("DeadEvents", ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"), (self.queue("DROPNOTE_DEAD_EVENTS"),))
        bindings = [Grant("Bindings", ("s3:GetBucketNotification",), arns)] if arns else []
        # SES has no resource for this action: it concerns the whole account
        account = [Grant("MailAccount", ("ses:GetAccount",), ("*",))] if self.mail() else []
        return [queue, *bindings, *account]

    def ledger_counts(self) -> list[Grant]:
        """To count deliveries from the ledger's stream."""
        return [self.counters(), self.stream(self.variables[STREAM])]

    def item_counts(self, table: str) -> list[Grant]:
        """To count a table's items, if a rule counts them."""
        counts = any(rule.item and rule.item.table == table and rule.item.count for rule in self.settings.rules)
        return [self.counters()] if counts else []

    def stream(self, arn: str) -> Grant:
        """For Lambda to read a stream."""
        read = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
        return Grant("Stream", read, (arn,), by="lambda")

    def counters(self) -> Grant:
        """To count: read the known values, then write in one transaction of puts and updates."""
        return Grant("Counters", ("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"), (self._counters,))

    def queue(self, variable: str) -> str:
        """The ARN of the queue that an environment variable names."""
        return self.location.arn("sqs", self.variables[variable])

    def receive(self, queue: str) -> Grant:
        """For Lambda to read a queue (an ARN) of uploads."""
        actions = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
        return Grant("Uploads", actions, (queue,), by="lambda")

    def manifests(self) -> list[Grant]:
        """To read the marker files that complete a batch: they may list the other files."""
        buckets = dict.fromkeys(rule.bucket for rule in self.settings.rules if rule.complete and rule.complete.marker)
        arns = tuple(f"arn:{self.location.partition}:s3:::{bucket}/*" for bucket in buckets)
        return [Grant("Manifests", ("s3:GetObject",), arns)] if arns else []

    def object_facts(self, buckets: Sequence[str]) -> list[Grant]:
        """To read what rules ask about an object."""
        return list(object_grants(self.settings, buckets, self.location.partition))

    @property
    def _counters(self) -> str:
        return self.location.arn("dynamodb", f"table/{self.variables['DROPNOTE_COUNTERS']}")

    @property
    def _table(self) -> str:
        return self.location.arn("dynamodb", f"table/{self.variables['DROPNOTE_LEDGER']}")


def policies(settings: Settings, variables: Mapping[str, str], location: StageLocation) -> dict[str, dict[str, Any]]:
    """The IAM policy of each function, by its name in app.py."""
    functions = Grants(settings, variables, location).by_function()
    return {name: _document([_logs(name, location), *grants]) for name, grants in functions.items()}


def log_group(function: str, stage: str) -> str:
    """The log group of a function."""
    return f"/aws/lambda/{APP}-{stage}" + ("" if function == "api_handler" else f"-{function}")


def _logs(function: str, location: StageLocation) -> Grant:
    """To write logs. Set-up creates the log groups; the names of log streams are not known in advance."""
    group = location.arn("logs", f"log-group:{log_group(function, location.stage)}")
    return Grant("Logs", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{group}:*",), by="lambda")


def _document(grants: Iterable[Grant]) -> dict[str, Any]:
    statements = [
        {"Sid": grant.sid, "Effect": "Allow", "Action": list(grant.actions), "Resource": list(grant.resources)}
        for grant in grants
    ]
    return {"Version": "2012-10-17", "Statement": statements}
