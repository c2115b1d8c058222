"""Compares the deployed functions with this checkout.

Source: AWS Lambda API reference, "ListFunctions", "GetFunction" (Code.Location: a link to the package, valid for ten minutes),
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
from chalicelib.platform.custom import CONFIG, CONFIG_NAME, folder, stage_variables

from ..account import Account, AccountError
from ..deployment.config import read_stage
from ..deployment.finish import Retries, is_finished, retries_for, source_service
from ..paths import PROJECT

_TIMEOUT_S = 60
_MAX_FILES_SHOWN = 5


def name_of(account: Account, handler: str = "") -> str:
    """The name of a handler's function; without a handler, of the function behind the REST API."""
    app = read_stage(PROJECT, account.stage)["app_name"]
    return f"{app}-{account.stage}" + (f"-{handler}" if handler else "")


def functions(account: Account) -> list[dict[str, Any]]:
    """The stage's functions, selected by name."""
    name, prefix = name_of(account), name_of(account) + "-"
    pages = account.client("lambda").get_paginator("list_functions").paginate()
    all_functions = (function for page in pages for function in page["Functions"])
    return [
        function for function in all_functions if function["FunctionName"] == name or function["FunctionName"].startswith(prefix)
    ]


def present(account: Account) -> Iterator[Problem]:
    """Check that the stage is deployed and no function is missing."""
    existing = {function["FunctionArn"] for function in functions(account)}
    if not existing:
        what = f"Stage {account.stage} has no functions in this account and region."
        deploy = redeploy_hint("local") if account.stage == "local" else f"make deploy STAGE={account.stage}"
        yield Problem("functions", "", what, f"{deploy}; or check that this is the right account and region")
        return
    resources = _functions_in(account.resources() or ())
    missing = [str(resource["name"]) for resource in resources if resource["lambda_arn"] not in existing]
    if missing:
        what = f"Deployed functions are missing: {', '.join(missing)}."
        yield Problem("functions", "gone", what, redeploy_hint(account.stage))


def orphans(account: Account) -> Iterator[Problem]:
    """Find functions of renamed handlers: a deploy does not remove them or their triggers."""
    resources = account.resources()
    if resources is None:
        what = (
            f"Could not look for functions of renamed handlers: .chalice/deployed/{account.deployed_file.name} is missing here."
        )
        advice = "another machine deployed this stage: run the doctor there, or copy that file here"
        yield Problem("orphans", "", what, advice)
        return
    deployed = {resource["lambda_arn"] for resource in _functions_in(resources)}
    for function in functions(account):
        if function["FunctionArn"] not in deployed:
            name = function["FunctionName"]
            what = f"The function {name} no longer belongs to any handler, but is still triggered."
            yield Problem("orphans", name, what, f"aws lambda delete-function --function-name {name}")


def package(account: Account) -> Iterator[Problem]:
    """Check that the functions run the code of this checkout."""
    existing = functions(account)
    if len({function["CodeSha256"] for function in existing}) > 1:
        what = "The functions run different packages: a deploy was interrupted."
        yield Problem("package", "mixed", what, redeploy_hint(account.stage))
    for function in existing[:1]:
        differing = differing_files(PROJECT, _download(account, function["FunctionName"]))
        if account.stage == "local":  # deployed without the user's config.json: the environment has its values
            own_config = str((folder() / CONFIG).relative_to(PROJECT))
            differing = [file for file in differing if file != own_config]
        if differing:
            count = len(differing) - _MAX_FILES_SHOWN
            files = ", ".join(differing[:_MAX_FILES_SHOWN]) + (f" and {count} more" if count > 0 else "")
            what = f"The functions run another version of {files} than this checkout."
            yield Problem("package", "", what, redeploy_hint(account.stage))


def runs_with(account: Account, file: str) -> bool:
    """Whether the code of any of the stage's functions has a file; `file` is relative to the project.

    Raises:
        AccountError: a package could not be downloaded.
    """
    by_package = {function["CodeSha256"]: function["FunctionName"] for function in functions(account)}
    try:
        return any(file in _download(account, name).namelist() for name in by_package.values())
    except requests.RequestException as error:  # its text has the link, which is a secret
        raise AccountError(f"could not download the functions' package: {type(error).__name__}; try again") from error


def environment(account: Account) -> Iterator[Problem]:
    """Check that the functions have the environment of .chalice/config.json. Shows names only."""
    expected = read_stage(PROJECT, account.stage)["environment_variables"]
    if account.stage == "local":  # the local environment replaces some values
        expected = {name: account.variables.get(name, value) for name, value in expected.items()}
    else:  # the functions read the user's own config.json, which is in their package
        own = stage_variables({"DROPNOTE_STAGE": account.stage})
        expected = {name: value for name, value in expected.items() if name not in own}
    differing = set()
    for function in functions(account):
        actual = function.get("Environment", {}).get("Variables", {})
        differing |= {name for name, value in expected.items() if actual.get(name, "") != value}
    if differing:
        what = f"The functions have other values than {CONFIG_NAME} for {', '.join(sorted(differing))}."
        yield Problem("environment", "", what, redeploy_hint(account.stage))


def retries(account: Account) -> Iterator[Problem]:
    """Check what `dropnote finish` sets: retries, the dead-letter queue, and the settings of queue and stream mappings."""
    client, existing = account.client("lambda"), functions(account)
    unfinished = []
    for function in existing:
        handler = function["FunctionName"].removeprefix(name_of(account) + "-")
        expected = retries_for(handler)
        if expected and not _has_retries(client, function["FunctionName"], expected):
            unfinished.append(handler)
    kinds = {"sqs": "queue", "dynamodb": "stream"}
    outdated = [mapping for mapping in mappings(client, existing) if not is_finished(mapping, account.settings.rules)]
    unfinished += [f"the {kinds[source_service(mapping)]} of {mapping['FunctionArn'].rpartition(':')[2]}" for mapping in outdated]
    if unfinished:
        what = f"Settings of `dropnote finish` are missing on {', '.join(unfinished)}: an event that keeps failing would be lost."
        finish = f"dropnote finish --stage {account.stage}, after each deploy"
        yield Problem("retries", "", what, redeploy_hint("local") if account.stage == "local" else finish)


def mappings(client: Any, functions: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The event source mappings of these functions: their queues and streams."""
    arns = {function["FunctionArn"] for function in functions}
    for page in client.get_paginator("list_event_source_mappings").paginate():
        yield from (mapping for mapping in page["EventSourceMappings"] if mapping["FunctionArn"] in arns)


def differing_files(project: Path, package: zipfile.ZipFile) -> list[str]:
    """The app's files that differ between a checkout and a package, or are in only one of them."""
    ours = {"app.py", *(str(file.relative_to(project)) for file in (project / "chalicelib").rglob("*") if file.is_file())}
    theirs = {name for name in package.namelist() if name == "app.py" or (name.startswith("chalicelib/") and name[-1] != "/")}
    same = {name for name in ours & theirs if (project / name).read_bytes() == package.read(name)}
    return sorted(name for name in (ours | theirs) - same if "__pycache__" not in name and not name.endswith((".pyc", ".pyo")))


def _functions_in(resources: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resource_type"] == "lambda_function"]


def _download(account: Account, name: str) -> zipfile.ZipFile:
    url = account.client("lambda").get_function(FunctionName=name)["Code"]["Location"]
    with requests.Session() as session:
        session.trust_env = account.stage != "local"  # the machine's proxy is not for the local environment
        response = session.get(url, timeout=_TIMEOUT_S)
    response.raise_for_status()
    return zipfile.ZipFile(io.BytesIO(response.content))


def _has_retries(client: Any, name: str, expected: Retries) -> bool:
    try:
        config = client.get_function_event_invoke_config(FunctionName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    has_queue = bool(config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
    actual = (config.get("MaximumRetryAttempts"), config.get("MaximumEventAgeInSeconds"), has_queue)
    return actual == (expected.attempts, expected.event_age_s, expected.dead_letter)
