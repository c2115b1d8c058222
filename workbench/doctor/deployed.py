"""The functions as they are in the account, beside those of this checkout.

Source: AWS Lambda API reference, "ListFunctions", "GetFunction" (Code.Location: the package, for ten minutes),
"GetFunctionEventInvokeConfig".
"""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import requests
from botocore.exceptions import ClientError

from chalicelib.health.rules import Problem, redeploy_hint

from ..account import Account
from ..deployment.config import read_stage
from ..deployment.finish import is_finished, retries_of, source_of
from ..paths import PROJECT

_TIMEOUT_S = 60
_SHOWN = 5


def name_of(account: Account, handler: str = "") -> str:
    """The name of the function that a handler became; without one, of the function behind the REST API."""
    app = read_stage(PROJECT, account.stage)["app_name"]
    return f"{app}-{account.stage}" + (f"-{handler}" if handler else "")


def functions(account: Account) -> list[dict[str, Any]]:
    """The stage's functions, by their names."""
    whole, beginning = name_of(account), name_of(account) + "-"
    pages = account.client("lambda").get_paginator("list_functions").paginate()
    every = (function for page in pages for function in page["Functions"])
    return [each for each in every if each["FunctionName"] == whole or each["FunctionName"].startswith(beginning)]


def present(account: Account) -> Iterator[Problem]:
    """Is the stage deployed at all, and has each function that Chalice made stayed?"""
    there = {each["FunctionArn"] for each in functions(account)}
    if not there:
        what = f"Stage {account.stage} has no functions in this account and region."
        how = redeploy_hint("local") if account.stage == "local" else f"make deploy STAGE={account.stage}"
        yield Problem("functions", "", what, f"{how}; or look whether this is the right account and region")
        return
    gone = [str(each["name"]) for each in _functions_of(account.resources() or ()) if each["lambda_arn"] not in there]
    if gone:
        what = f"Functions that were deployed are no longer there: {', '.join(gone)}."
        yield Problem("functions", "gone", what, redeploy_hint(account.stage))


def orphans(account: Account) -> Iterator[Problem]:
    """Functions that a deploy left behind: a renamed handler's old one keeps its bindings, and keeps firing."""
    resources = account.resources()
    if resources is None:
        what = f"Functions left behind cannot be told from the others here: {account.listed.name} is not in .chalice/deployed/."
        how = "another machine deployed this stage: run the doctor there, or bring that file here"
        yield Problem("orphans", "", what, how)
        return
    ours = {each["lambda_arn"] for each in _functions_of(resources)}
    for each in functions(account):
        if each["FunctionArn"] not in ours:
            name = each["FunctionName"]
            what = f"The function {name} is of no handler any more, and what fires it still does."
            yield Problem("orphans", name, what, f"aws lambda delete-function --function-name {name}")


def package(account: Account) -> Iterator[Problem]:
    """Do the functions run what this checkout has?"""
    there = functions(account)
    if len({each["CodeSha256"] for each in there}) > 1:
        what = "The functions do not all run the same package: a deploy broke off."
        yield Problem("package", "mixed", what, redeploy_hint(account.stage))
    for each in there[:1]:
        differ = differing(PROJECT, _download(account, each["FunctionName"]))
        if differ:
            more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
            what = f"The functions run another version than this checkout has of {', '.join(differ[:_SHOWN])}{more}."
            yield Problem("package", "", what, redeploy_hint(account.stage))


def environment(account: Account) -> Iterator[Problem]:
    """Do the functions see the environment of .chalice/config.json? Only names are told."""
    wanted = read_stage(PROJECT, account.stage)["environment_variables"]
    if account.stage == "local":  # the world has addresses of its own
        wanted = {name: account.variables.get(name, value) for name, value in wanted.items()}
    differ = set()
    for each in functions(account):
        seen = each.get("Environment", {}).get("Variables", {})
        differ |= {name for name, value in wanted.items() if seen.get(name, "") != value}
    if differ:
        what = f"The functions see other values than .chalice/config.json has of {', '.join(sorted(differ))}."
        yield Problem("environment", "", what, redeploy_hint(account.stage))


def retries(account: Account) -> Iterator[Problem]:
    """Is set what Chalice cannot set: retries, where dead events go, and that a queue's records have fates of their own?"""
    client, there = account.client("lambda"), functions(account)
    unset = []
    for each in there:
        handler = each["FunctionName"].removeprefix(name_of(account) + "-")
        wanted = retries_of(handler)
        if wanted and not _is_set(client, each["FunctionName"], wanted):
            unset.append(handler)
    kinds = {"sqs": "queue", "dynamodb": "stream"}
    left = [mapping for mapping in mappings(client, there) if not is_finished(mapping, account.settings.rules)]
    unset += [f"the {kinds[source_of(mapping)]} of {mapping['FunctionArn'].rpartition(':')[2]}" for mapping in left]
    if unset:
        what = f"What Chalice cannot set is not set on {', '.join(unset)}: an event that fails for good would be lost."
        how = (
            redeploy_hint("local") if account.stage == "local" else f"dropnote finish --stage {account.stage}, after each deploy"
        )
        yield Problem("retries", "", what, how)


def mappings(client: Any, functions: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What brings the records of queues and streams to these functions."""
    ours = {each["FunctionArn"] for each in functions}
    for page in client.get_paginator("list_event_source_mappings").paginate():
        yield from (mapping for mapping in page["EventSourceMappings"] if mapping["FunctionArn"] in ours)


def differing(project: Path, package: zipfile.ZipFile) -> list[str]:
    """The files of ours that a package has otherwise, or has not, or has though they are gone."""
    ours = {"app.py", *(str(file.relative_to(project)) for file in (project / "chalicelib").rglob("*") if file.is_file())}
    theirs = {name for name in package.namelist() if name == "app.py" or (name.startswith("chalicelib/") and name[-1] != "/")}
    both = {name for name in ours & theirs if (project / name).read_bytes() == package.read(name)}
    return sorted(name for name in (ours | theirs) - both if "__pycache__" not in name and not name.endswith((".pyc", ".pyo")))


def _functions_of(resources: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in resources if each["resource_type"] == "lambda_function"]


def _download(account: Account, name: str) -> zipfile.ZipFile:
    url = account.client("lambda").get_function(FunctionName=name)["Code"]["Location"]
    with requests.Session() as session:
        session.trust_env = account.stage != "local"  # no proxy of the machine on the way to the local world
        answer = session.get(url, timeout=_TIMEOUT_S)
    answer.raise_for_status()
    return zipfile.ZipFile(io.BytesIO(answer.content))


def _is_set(client: Any, name: str, wanted: Any) -> bool:
    try:
        told = client.get_function_event_invoke_config(FunctionName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    keeps = bool(told.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
    is_now = (told.get("MaximumRetryAttempts"), told.get("MaximumEventAgeInSeconds"), keeps)
    return is_now == (wanted.attempts, wanted.event_age_s, wanted.keep)
