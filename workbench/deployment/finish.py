"""What comes after `chalice deploy`: what Chalice cannot set, and the URL that only the deploy could tell."""

import json
from pathlib import Path
from typing import Any

from ..finishing import finish
from .setup import Client, SetupError
from .stack import Stack


def deployed(project: Path, stage: str) -> list[dict[str, Any]]:
    """What Chalice says it has deployed of a stage.

    Raises:
        SetupError: nothing, as far as this checkout knows.
    """
    try:
        resources: list[dict[str, Any]] = json.loads((project / ".chalice" / "deployed" / f"{stage}.json").read_text())[
            "resources"
        ]
    except OSError:
        raise SetupError(f"There is no .chalice/deployed/{stage}.json: run `chalice deploy --stage {stage}` first.") from None
    return resources


def finish_stage(project: Path, stage: str, client: Client, public_url: str = "") -> list[str]:
    """Set it, and tell what is set, a line each. `public_url` is where the routes are, if not where the deploy says."""
    resources = deployed(project, stage)
    outputs = Stack(client("cloudformation"), stage).outputs()
    if "DeadEventsArn" not in outputs:
        raise SetupError(f"The account has no stack of this stage: run `dropnote setup --stage {stage}` first.")
    said = finish(client("lambda"), resources, outputs["DeadEventsArn"])
    api = next((resource for resource in resources if resource["resource_type"] == "rest_api"), None)
    if api:
        url = (public_url or api["rest_api_url"]).rstrip("/")
        client("ssm").put_parameter(Name=f"/dropnote/{stage}/public-url", Value=url, Type="String", Overwrite=True)
        said.append(f"public-url: {url}")
    return said
