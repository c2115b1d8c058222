"""One MiniStack process: its access rules, its queue, and its cleanup."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from workbench.local.ministack import MiniStack, MiniStackError, local_client
from workbench.local.resources import make_role
from workbench.paths import PROJECT
from workbench.ports import PortTakenError
from workbench.waiting import wait_until


def processes_naming(text: str) -> list[str]:
    """The processes whose command or working folder contains the text: MiniStack and its workers."""
    matches = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            description = (process / "cmdline").read_text().replace("\0", " ") + str((process / "cwd").readlink())
        except OSError:
            continue
        if text in description:
            matches.append(description)
    return matches


def test_reset_removes_buckets(ministack: MiniStack) -> None:
    ministack.client("s3").create_bucket(Bucket="yesterday")
    ministack.reset()
    assert ministack.client("s3").list_buckets()["Buckets"] == []


def test_unknown_access_key_is_rejected(ministack: MiniStack) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=ministack.endpoint,
        aws_access_key_id="AKIA" + "X" * 16,
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()


def test_other_listeners_are_off(ministack: MiniStack) -> None:
    assert ministack.client("sts").get_caller_identity()["Account"] == "000000000000"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", 8883), timeout=1)


def test_client_ignores_the_machines_profile(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert local_client(ministack.endpoint, "s3").list_buckets()["Buckets"] == []


def test_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} is in use"):
            MiniStack(port).__enter__()


def test_failed_start_reports_the_reason_and_removes_its_folder(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(MiniStackError, match="ended while starting: no such module"):
        MiniStack(folder=tmp_path / "ministack", python=python).__enter__()
    assert not (tmp_path / "ministack").exists()


def test_stop_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ministack"
    with MiniStack(folder=folder):
        assert processes_naming(str(folder))
    assert not folder.exists()
    assert wait_until(lambda: not processes_naming(str(folder)), within_s=10)


def test_killed_parent_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ministack"
    program = f"""
import time
from pathlib import Path
from workbench.local.ministack import MiniStack
with MiniStack(folder=Path({str(folder)!r})):
    print("ready", flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_until(lambda: not processes_naming(str(folder)), within_s=10)
    assert not folder.exists()


def test_invocations_above_the_limit_are_queued_and_not_lost() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as zipped:
        zipped.writestr("main.py", "def handler(event, context):\n    print('took', event['number'])\n")
    with MiniStack(settings={"LAMBDA_ACCOUNT_CONCURRENCY": "1"}) as limited:
        functions, logs = limited.client("lambda"), limited.client("logs")
        role = make_role(limited)
        logs.create_log_group(logGroupName="/aws/lambda/slow")
        functions.create_function(
            FunctionName="slow",
            Runtime=f"python{sys.version_info[0]}.{sys.version_info[1]}",
            Role=role,
            Handler="main.handler",
            Code={"ZipFile": package.getvalue()},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="slow", WaiterConfig={"Delay": 1})
        for number in range(12):
            functions.invoke(FunctionName="slow", InvocationType="Event", Payload=json.dumps({"number": number}))

        def processed() -> set[str]:
            events = logs.filter_log_events(logGroupName="/aws/lambda/slow", filterPattern="took")["events"]
            return {event["message"].strip() for event in events}

        assert wait_until(lambda: len(processed()) == 12, within_s=30)
