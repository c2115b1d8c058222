"""Which function may do what: one IAM policy a function, no more in it than the function uses, no resource but the stage's.

Source: AWS Service Authorization Reference, "Actions, resources, and condition keys" for DynamoDB, SES v2, SQS, Systems
Manager, S3 and CloudWatch Logs. tests/end_to_end/test_grants.py fails for an action that no run of the function used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import STREAM, function_name, stream_variable

APP = "dropnote"


@dataclass(frozen=True, slots=True)
class Place:
    """A stage in an account."""

    stage: str
    account: str
    region: str
    partition: str = "aws"
    sandbox: bool = False  # SES asks for the right to use the recipient's identity too, as long as the account is in its sandbox

    def arn(self, service: str, resource: str) -> str:
        """The ARN of one of the account's resources in the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Some actions on some resources. `by` is who calls: our code, or Lambda in the function's name."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    by: str = "function"


@dataclass(frozen=True, slots=True)
class Grants:
    """What the functions of one stage need."""

    settings: Settings
    variables: Mapping[str, str]
    place: Place

    def of_functions(self) -> dict[str, list[Grant]]:
        """Each function by its name in app.py, and what it needs."""
        rows = self.ledger("GetItem", "PutItem", "UpdateItem")
        deliver = [rows, *self.mail(), *self.secrets()]
        dead = Grant("DeadEvents", ("sqs:SendMessage",), (self.queue("DROPNOTE_DEAD_EVENTS"),), by="lambda")
        buckets = self.settings.buckets
        functions = {function_name("upload", bucket): [*deliver, dead] for bucket in buckets}
        if buckets:
            functions["upload_events"] = [*deliver, dead]
        if any(rule.bus for rule in self.settings.rules):
            functions["bus"] = [*deliver, dead]
        if "UPLOAD_QUEUE" in self.variables:
            taken = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
            functions["upload_queue"] = [*deliver, Grant("Uploads", taken, (self.queue("UPLOAD_QUEUE"),), by="lambda")]
        if "DROPNOTE_STREAM" in self.variables:
            functions["count"] = [rows, *self.mail(), *self.told_by_text(), *self.counted()]
        for table in self.settings.tables:
            if stream := self.variables.get(stream_variable(table)):
                functions[function_name("items", table)] = [*deliver, *self.counted_of(table), self.stream(stream)]
        drained = ("sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage")
        functions |= {
            "sweep": [
                self.ledger("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"),
                self.indexes("day", "due"),
                Grant("Counters", ("dynamodb:Query",), (self._counters,)),
                *self.mail(),
                *self.secrets(),
                *self.manifests(),
                Grant("DeadEvents", drained, (self.queue("DROPNOTE_DEAD_EVENTS"),)),
            ],
            "watch": self.watch(buckets),
            "send": deliver,
            "watch_now": self.looking(),
            "digest_now": [self.ledger("BatchGetItem", "UpdateItem"), self.indexes("due")],
            "test": deliver,
            "resend": [self.ledger("GetItem", "UpdateItem")],
            "redrive": [self.ledger("BatchGetItem", "GetItem", "PutItem", "UpdateItem"), self.indexes("day")],
            "api_handler": deliver,
        }
        return functions

    def watch(self, buckets: Iterable[str]) -> list[Grant]:
        """Looking at the bot itself, and at what the settings have monitors of."""
        return [*self.looking(), *self.watched(buckets)]

    def looking(self) -> list[Grant]:
        """Looking at monitors, and telling of them as anything is told."""
        told = self.secrets() if self.settings.monitors else self.told_by_text()
        return [self.ledger("GetItem", "PutItem", "Query", "UpdateItem"), *self.mail(), *told, *self.looked_at()]

    def looked_at(self) -> list[Grant]:
        """What the monitors ask AWS."""
        asked: dict[str, set[str]] = {}
        for monitor in self.settings.monitors:
            for action, resource in monitor.check.permissions:
                asked.setdefault(action, set()).add(self._arn_of(action, resource))
        return [
            Grant(f"Monitors{action.partition(':')[2]}", (action,), tuple(sorted(arns))) for action, arns in sorted(asked.items())
        ]

    def _arn_of(self, action: str, resource: str) -> str:
        if resource == "*":
            return resource
        if action.startswith("s3:"):
            return f"arn:{self.place.partition}:s3:::{resource}"
        return self.place.arn("dynamodb", f"table/{resource}")

    def ledger(self, *operations: str) -> Grant:
        """On the rows of the ledger's table."""
        actions = tuple(f"dynamodb:{operation}" for operation in operations)
        return Grant("Ledger", actions, (self._table,))

    def indexes(self, *names: str) -> Grant:
        """Reading indexes of the ledger's table."""
        return Grant("Indexes", ("dynamodb:Query",), tuple(f"{self._table}/index/{name}" for name in names))

    def mail(self) -> list[Grant]:
        """Sending mail by SES as the settings' sender: by its own identity, or by its domain's."""
        email = self.settings.email
        if email is None or email.transport != "ses":
            return []
        addresses = [parseaddr(email.from_)[1]]
        if self.place.sandbox:
            addresses += [person.email for person in self.settings.people.values() if person.email]
        identities = dict.fromkeys(name for address in addresses for name in (address, address.rpartition("@")[2]))
        return [Grant("Mail", ("ses:SendEmail",), tuple(self.place.arn("ses", f"identity/{name}") for name in identities))]

    def secrets(self) -> list[Grant]:
        """Reading the parameters that the settings need."""
        names = secret_names(self.settings) + (["public-url"] if self.settings.sms else [])
        prefix = self.variables["DROPNOTE_SECRETS"]
        arns = tuple(self.place.arn("ssm", f"parameter{prefix}{name}") for name in names)
        return [Grant("Secrets", ("ssm:GetParameter",), arns)] if arns else []

    def told_by_text(self) -> list[Grant]:
        """The secrets again, where the owner hears of trouble by text or by SMTP: by SES they are not read."""
        owner = self.settings.people.get(self.settings.bot.owner)
        return [] if owner and owner.email and self.mail() else self.secrets()

    def watched(self, buckets: Iterable[str]) -> list[Grant]:
        """What the bot looks at to see whether it is well itself."""
        arns = tuple(f"arn:{self.place.partition}:s3:::{bucket}" for bucket in buckets)
        queue = Grant("DeadEvents", ("sqs:GetQueueAttributes", "sqs:GetQueueUrl"), (self.queue("DROPNOTE_DEAD_EVENTS"),))
        bindings = [Grant("Bindings", ("s3:GetBucketNotification",), arns)] if arns else []
        # SES knows no resource for this one: the account itself is what is asked about
        account = [Grant("MailAccount", ("ses:GetAccount",), ("*",))] if self.mail() else []
        return [queue, *bindings, *account]

    def counted(self) -> list[Grant]:
        """Counting what the ledger's stream tells."""
        return [self.counters(), self.stream(self.variables[STREAM])]

    def counted_of(self, table: str) -> list[Grant]:
        """Counting what rules count of a table's items."""
        counts = any(rule.item and rule.item.table == table and rule.item.count for rule in self.settings.rules)
        return [self.counters()] if counts else []

    def stream(self, arn: str) -> Grant:
        """Reading a stream, which Lambda does."""
        read = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
        return Grant("Stream", read, (arn,), by="lambda")

    def counters(self) -> Grant:
        """Counting: values that are known are read, the rest is one transaction of puts and updates."""
        return Grant("Counters", ("dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"), (self._counters,))

    def queue(self, variable: str) -> str:
        """The ARN of the queue that an environment variable names."""
        return self.place.arn("sqs", self.variables[variable])

    def manifests(self) -> list[Grant]:
        """Reading the files that say that a delivery is whole: they may list the others."""
        buckets = dict.fromkeys(rule.bucket for rule in self.settings.rules if rule.complete and rule.complete.marker)
        arns = tuple(f"arn:{self.place.partition}:s3:::{bucket}/*" for bucket in buckets)
        return [Grant("Manifests", ("s3:GetObject",), arns)] if arns else []

    @property
    def _counters(self) -> str:
        return self.place.arn("dynamodb", f"table/{self.variables['DROPNOTE_COUNTERS']}")

    @property
    def _table(self) -> str:
        return self.place.arn("dynamodb", f"table/{self.variables['DROPNOTE_LEDGER']}")


def secret_names(settings: Settings) -> list[str]:
    """The secrets that these settings need."""
    email = settings.email
    with_password = email is not None and email.transport == "smtp" and bool(email.username)
    return ["twilio-auth-token"] * bool(settings.sender(Channel.SMS)) + ["smtp-password"] * with_password


def policies(settings: Settings, variables: Mapping[str, str], place: Place) -> dict[str, dict[str, Any]]:
    """The IAM policy of each function, by its name in app.py."""
    functions = Grants(settings, variables, place).of_functions()
    return {name: _document([_logs(name, place), *grants]) for name, grants in functions.items()}


def log_group(function: str, stage: str) -> str:
    """Where a function's output goes."""
    return f"/aws/lambda/{APP}-{stage}" + ("" if function == "api_handler" else f"-{function}")


def _logs(function: str, place: Place) -> Grant:
    """Set-up makes the log groups, with their retention; streams have names that nobody knows before."""
    group = place.arn("logs", f"log-group:{log_group(function, place.stage)}")
    return Grant("Logs", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{group}:*",), by="lambda")


def _document(grants: Iterable[Grant]) -> dict[str, Any]:
    statements = [
        {"Sid": grant.sid, "Effect": "Allow", "Action": list(grant.actions), "Resource": list(grant.resources)}
        for grant in grants
    ]
    return {"Version": "2012-10-17", "Statement": statements}
