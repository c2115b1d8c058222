"""AWS's limits that a deploy would reach, found before anything is created: each finding is one sentence with the next step.

Sources: AWS Lambda developer guide, "Lambda quotas" (function name 64 characters, environment 4 KB; an error shows that Lambda
measures the variables as JSON); IAM user guide, "IAM and AWS STS quotas" (role name 64 characters, all inline policies of a role
10,240 characters without white space, 1,000 roles by default); botocore's endpoint data (partitions, and their regions with SES).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import UnknownRegionError
from botocore.session import Session

from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import stream_variable

from .config import stage_names
from .grants import APP, StageLocation, policies
from .identities import by_ses, mail_event_variables, with_mail_events

MAX_FUNCTION_NAME = 64  # its role has the same name, and the same limit
MAX_POLICY = 10_240  # characters
MAX_ENVIRONMENT = 4_096  # bytes
MAX_FUNCTIONS = 900  # of 1,000 roles
_LONGEST_SHOWN = 3
_STREAM_CREATED = "2026-01-01T00:00:00.000"  # the last part of a stream's ARN
_SPLIT = "move some of them to another stage, with a settings file of its own"
_FIXES = {  # what makes a statement of a policy shorter
    "Mail": "leave the SES sandbox, in which the policy has to name each recipient, or name fewer people",
    "Bindings": f"too many buckets: {_SPLIT}",
    "Manifests": f"too many buckets: {_SPLIT}",
}


def limit_problems(settings: Settings, variables: Mapping[str, str], location: StageLocation) -> list[str]:
    """What AWS would reject: names, the environment, policies, and a partition without SES.

    `variables` are those of the stage; the streams that set-up finds later are added.
    """
    variables = _with_streams(settings, stage_names(location.stage) | dict(variables), location)
    of_functions = policies(settings, variables, location)
    return [
        *_partition(settings, location),
        *_names(of_functions, location.stage),
        *_environment(variables),
        *_policies(of_functions),
    ]


def any_location(stage: str) -> StageLocation:
    """A location for a check without an account: with ARNs as long as those of most regions."""
    return StageLocation(stage, "123456789012", "ap-southeast-1")


def has_ses(partition: str) -> bool:
    """Whether a partition has Amazon SES in any region. China has not."""
    return bool(Session().get_available_regions("sesv2", partition))


def _names(functions: Mapping[str, object], stage: str) -> Iterator[str]:
    prefix = f"{APP}-{stage}-"
    longest = max(functions, key=len, default="")
    if len(prefix) + len(longest) > MAX_FUNCTION_NAME:
        room = MAX_FUNCTION_NAME - len(longest) - len(f"{APP}--")
        yield (
            f"the function name {prefix}{longest} has {len(prefix) + len(longest)} characters, and Lambda and IAM allow "
            f"{MAX_FUNCTION_NAME}; choose a stage name of at most {room} characters"
        )
    if len(functions) > MAX_FUNCTIONS:
        yield (
            f"these settings need {len(functions)} functions, each with a role of its own, and an account has 1,000 roles by "
            "default; raise the quota Roles in Service Quotas, or move some buckets and tables to a stage in another account"
        )


def _environment(variables: Mapping[str, str]) -> Iterator[str]:
    size = _bytes(variables)
    if size > MAX_ENVIRONMENT:
        longest = sorted(variables, key=lambda name: len(name) + len(variables[name]), reverse=True)[:_LONGEST_SHOWN]
        named = ", ".join(f"{name} ({_bytes({name: variables[name]}) - 2:,})" for name in longest)
        yield (
            f"the functions' environment has {size:,} bytes, and Lambda allows {MAX_ENVIRONMENT:,}; shorten or remove variables "
            f"in .chalice/config.json or rules on tables; the longest: {named}"
        )


def _policies(of_functions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """One finding for the largest policy of each kind: hundreds of functions may have the same one."""
    named: set[str] = set()
    for function, policy in sorted(of_functions.items(), key=lambda entry: -policy_size(entry[1])):
        if policy_size(policy) <= MAX_POLICY:
            return
        largest = max(policy["Statement"], key=policy_size)
        if largest["Sid"] in named:
            continue
        named.add(largest["Sid"])
        yield (
            f"the policy of {function} has {policy_size(policy):,} characters, and IAM allows {MAX_POLICY:,}; most are the "
            f"{len(largest['Resource'])} resources of {largest['Sid']} ({', '.join(largest['Action'])}): "
            f"{_FIXES.get(largest['Sid'], f'too many buckets or tables: {_SPLIT}')}"
        )


def _partition(settings: Settings, location: StageLocation) -> Iterator[str]:
    region = settings.email.region if settings.email else ""
    if by_ses(settings) and not has_ses(location.partition):
        yield f'Amazon SES is not available in {location.region} and its partition; set transport = "smtp" in [email]'
    elif region and _partition_of(region) != location.partition:
        yield f"[email] region: the account of {location.region} has no access to {region}; choose a region of the same partition"


def _partition_of(region: str) -> str:
    try:
        return str(Session().get_partition_for_region(region))
    except UnknownRegionError:
        return ""


def policy_size(policy: Mapping[str, Any]) -> int:
    """The characters of a policy that count: all but white space."""
    return len("".join(json.dumps(policy, separators=(",", ":")).split()))


def _bytes(variables: Mapping[str, str]) -> int:
    return len(json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False).encode())


def _with_streams(settings: Settings, variables: Mapping[str, str], location: StageLocation) -> dict[str, str]:
    """The environment with the ARNs of streams and of our topic, which are only known once they exist."""
    arns = {
        stream_variable(table): location.arn("dynamodb", f"table/{table}/stream/{_STREAM_CREATED}") for table in settings.tables
    }
    if with_mail_events(settings, location.region):
        topic = location.arn("sns", f"dropnote-{location.stage}-mail-events")
        arns |= mail_event_variables(location.stage, topic, location.configuration_sets)
    ledger = location.arn("dynamodb", f"table/{variables.get('DROPNOTE_LEDGER', '')}/stream/{_STREAM_CREATED}")
    return {"DROPNOTE_STREAM": ledger, **arns, **{name: value for name, value in variables.items() if value}}
