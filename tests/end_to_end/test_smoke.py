"""A smoke test whose deploy breaks off at its last call: Chalice has recorded nothing, and everything has to be found again."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from workbench.cli.main import main
from workbench.local.local_account import LocalAccount
from workbench.local.proxy.proxy import Answer

pytestmark = pytest.mark.environment
DENIED = Answer(403, b'{"message": "no"}', (("x-amzn-ErrorType", "AccessDeniedException"),))


def names(account: LocalAccount) -> dict[str, list[str]]:
    """What is in the account, as its root user sees it."""
    client = account.client
    return {
        "functions": [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]],
        "mappings": [mapping["UUID"] for mapping in client("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "roles": [role["RoleName"] for role in client("iam").list_roles()["Roles"] if role["RoleName"].startswith("dropnote")],
        "rules": [rule["Name"] for rule in client("events").list_rules()["Rules"]],
        "apis": [api["id"] for api in client("apigateway").get_rest_apis()["items"]],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "parameters": [parameter["Name"] for parameter in client("ssm").describe_parameters()["Parameters"]],
        "groups": [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "alarms": [alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
    }


def test_deploy_that_breaks_off_is_removed_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    original: Callable[..., Any] = LocalAccount.recorded_target

    def failing(account: LocalAccount, stack: ExitStack) -> Any:
        target, proxy, api = original(account, stack)
        stack.callback(lambda: after.update(names(account)))

        def last_call(request: Any) -> bool:
            if not request.path.endswith("/deployments"):
                return False
            before.update(names(account))
            return True

        api.fail_while(last_call, DENIED)
        return target, proxy, api

    monkeypatch.setattr(LocalAccount, "recorded_target", failing)
    result = CliRunner().invoke(main, ["smoke", "--stage", "local", "--report", str(tmp_path / "report.json")])
    assert result.exit_code == 1, result.output
    report = json.loads((tmp_path / "report.json").read_text())
    states = {step["title"]: step["state"] for step in report["steps"]}
    assert (states["set up"], states["deploy"], states["upload and receive"]) == ("ok", "failed", "skipped")
    assert states["remove"] == "ok", report["steps"][-1]["lines"]
    kept = {"buckets": ["dropnote-uploads"]}  # the account's own, which the test does not touch
    assert all(before.values())
    assert {kind: found for kind, found in after.items() if found} == kept
    assert "000000000000" not in json.dumps(report)
