"""Completes Chalice's Terraform module: what `dropnote finish` would set, names with the stage, and versions in use today.

Chalice 1.34 limits its module to Terraform below 1.4 and the AWS provider below 5, gives EventBridge rules the same name in every
stage, and lets S3 check a function before it may invoke it. Source: Terraform AWS provider documentation,
"aws_lambda_function_event_invoke_config", "aws_lambda_event_source_mapping", "aws_api_gateway_deployment" (its stage_name is gone
from version 6 on) and "aws_s3_bucket_notification" (needs the permission first).
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.rule import Rule

from ..deployment.finish import QUEUE, retries_for, stream_settings
from ..deployment.grants import APP

VERSIONS = {
    "required_version": ">= 1.5",
    "required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0, < 7.0"}},
}
_API = "rest_api"  # Chalice's name of the API's resources


def complete(module: Mapping[str, Any], stage: str, rules: Sequence[Rule], dead_letter_queue: str) -> dict[str, Any]:
    """The module with everything that a deploy and `dropnote finish` would create. `dead_letter_queue` is an ARN."""
    done: dict[str, Any] = {**copy.deepcopy(dict(module)), "terraform": VERSIONS}
    done["data"].pop("null_data_source", None)  # nothing uses it, and its provider is deprecated
    resources = done["resource"]
    for rule in resources.get("aws_cloudwatch_event_rule", {}).values():
        rule["name"] = f"{APP}-{stage}-{rule['name']}"
    for mapping in resources.get("aws_lambda_event_source_mapping", {}).values():
        mapping |= _mapping(mapping["event_source_arn"], rules)
    for notification in resources.get("aws_s3_bucket_notification", {}).values():
        notification["depends_on"] = sorted(
            f"aws_lambda_permission.{name}" for name in resources["aws_lambda_permission"] if name.endswith("-s3event")
        )
    resources["aws_lambda_function_event_invoke_config"] = {
        name: _retries(name, dead_letter_queue) for name in resources["aws_lambda_function"] if retries_for(name)
    }
    if "aws_api_gateway_deployment" in resources:
        _separate_stage(done)
    return done


def _retries(name: str, dead_letter_queue: str) -> dict[str, Any]:
    retries = retries_for(name)
    if retries is None:
        raise ValueError(f"{name} has no retries")
    config: dict[str, Any] = {
        "function_name": f"${{aws_lambda_function.{name}.function_name}}",
        "maximum_retry_attempts": retries.attempts,
        "maximum_event_age_in_seconds": retries.event_age_s,
    }
    return config | ({"destination_config": {"on_failure": {"destination": dead_letter_queue}}} if retries.dead_letter else {})


def _mapping(source: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """The settings of a stream or a queue, in Terraform's words."""
    if ":dynamodb:" not in source:
        return {"function_response_types": QUEUE["FunctionResponseTypes"]}
    settings = stream_settings(source, rules)
    return {
        "function_response_types": settings["FunctionResponseTypes"],
        "filter_criteria": {"filter": [{"pattern": entry["Pattern"]} for entry in settings["FilterCriteria"]["Filters"]]},
        "bisect_batch_on_function_error": settings["BisectBatchOnFunctionError"],
        "maximum_retry_attempts": settings["MaximumRetryAttempts"],
        "maximum_record_age_in_seconds": settings["MaximumRecordAgeInSeconds"],
    }


def _separate_stage(module: dict[str, Any]) -> None:
    """Give the API's stage a resource of its own."""
    deployment = module["resource"]["aws_api_gateway_deployment"][_API]
    name, changed = deployment.pop("stage_name"), deployment.pop("stage_description")
    deployment["triggers"] = {"redeployment": changed}
    module["resource"]["aws_api_gateway_stage"] = {
        _API: {
            "stage_name": name,
            "rest_api_id": deployment["rest_api_id"],
            "deployment_id": f"${{aws_api_gateway_deployment.{_API}.id}}",
        }
    }
    module["output"]["EndpointURL"]["value"] = f"${{aws_api_gateway_stage.{_API}.invoke_url}}"
