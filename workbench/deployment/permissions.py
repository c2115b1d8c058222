"""Permissions as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageLocation:
    """The account and region of a stage."""

    stage: str
    account: str
    region: str
    partition: str = "aws"
    sandbox: bool = False  # in the sandbox, SES also requires permission for the recipient's identity
    configuration_sets: tuple[str, ...] = ()  # the defaults of the sender's identities; SendEmail needs permission for them
    sender: str = ""  # what SES has for the sender, in one line

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for actions on resources. `by` is the caller: "function", our code, or "lambda", Lambda for the function."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    by: str = "function"
