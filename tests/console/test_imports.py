"""An upload pays nothing for the console."""

import os
import subprocess
import sys

import pytest

from tests.support.builders import ENVIRON
from workbench.paths import PROJECT

IMPORTED = "import sys, app; print(sorted(name for name in sys.modules if name.startswith('chalicelib.console')))"


def imported(function: str) -> str:
    """The modules of the console that app.py loads in a function."""
    variables = {"PATH": os.defpath, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": function, **ENVIRON}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN"):
        variables[name] = "test"
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=PROJECT, env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize("function", ["upload_acme_drops", "upload_events", "sweep"])
def test_no_other_function_loads_the_console(function: str) -> None:
    assert imported(f"dropnote-prod-{function}") == "[]"


def test_api_function_loads_the_console() -> None:
    assert "chalicelib.console.routes" in imported("dropnote-prod")
