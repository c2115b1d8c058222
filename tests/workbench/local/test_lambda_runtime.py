"""A package in AWS's own runtime: the function's environment, the measurements, and the cleanup."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workbench.local.lambda_runtime import LambdaRuntime, LambdaRuntimeError
from workbench.paths import PROJECT, RUNTIME_EMULATOR
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment
REPORT = """
import os
import helper
started = os.getpid()
def handler(event, context):
    print("hello")
    return {
        "event": event,
        "left": context.get_remaining_time_in_millis(),
        "request": context.aws_request_id,
        "function": [context.function_name, context.memory_limit_in_mb],
        "environment": dict(os.environ),
        "pid": started,
    }
"""
WORK = """
import sys, time
def handler(event, context):
    if event == "sleep":
        time.sleep(60)
    if event == "exit":
        sys.exit(3)
    if event == "raise":
        raise KeyError("x")
    if event == "work":
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
    if event == "memory":
        bytearray(64 * 2**20).count(1)
"""

Package = Callable[[str], Path]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Create a package to run. Without AWS's runtime its tests are skipped, or fail where the runtime is required."""
    if not RUNTIME_EMULATOR.exists():
        reason = "AWS's Lambda runtime is not set up; run `make test`, or `python3 -m workbench.bootstrap dev runtime`"
        if os.environ.get("DROPNOTE_REQUIRE_RUNTIME") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    def create(code: str) -> Path:
        folder = tmp_path / "package"
        folder.mkdir()
        (folder / "app.py").write_text(code)
        (folder / "helper.py").write_text("")
        return folder

    return create


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_function_has_lambdas_environment_and_not_the_machines(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "1")
    with LambdaRuntime(package(REPORT), "app.handler", environment={"MINE": "1"}, memory_mb=512, function="sweep") as runtime:
        report = runtime.invoke({"a": "ü"}).result
    assert report["event"] == {"a": "ü"}
    assert 59_000 < report["left"] <= 60_000
    assert report["request"]
    assert report["function"] == ["sweep", "512"]
    assert report["environment"]["MINE"] == "1"
    assert report["environment"]["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3")
    assert "OF_THE_MACHINE" not in report["environment"]


def test_first_call_is_cold_and_the_next_uses_the_same_process(package: Package) -> None:
    with LambdaRuntime(package(REPORT), "app.handler") as runtime:
        cold, warm = runtime.invoke(b"{}"), runtime.invoke(b"{}")
        assert 0 < runtime.init_ms < cold.wall_ms
        assert 0 < runtime.init_cpu_ms <= cold.cpu_ms
        assert runtime.peak_mb > 5
    assert warm.wall_ms < cold.wall_ms
    assert cold.result["pid"] == warm.result["pid"]
    assert runtime.output.count("hello") == 2


def test_package_is_unchanged_and_no_process_remains(package: Package) -> None:
    folder = package(REPORT)
    with LambdaRuntime(folder, "app.handler") as runtime:
        pid = runtime.invoke({}).result["pid"]
        assert runs(pid)
    assert wait_until(lambda: not runs(pid), within_s=5)
    assert sorted(path.name for path in folder.rglob("*")) == ["app.py", "helper.py"]


def test_no_process_remains_when_the_parent_is_killed(package: Package) -> None:
    code = f"""
from pathlib import Path
from workbench.local.lambda_runtime import LambdaRuntime
with LambdaRuntime(Path({str(package(REPORT))!r}), "app.handler") as runtime:
    print(runtime.invoke({{}}).result["pid"], flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    assert wait_until(lambda: not runs(pid), within_s=5)


def test_cpu_time_excludes_waiting_and_memory_is_the_peak(package: Package) -> None:
    with LambdaRuntime(package(WORK), "app.handler") as runtime:
        runtime.invoke("nothing")
        before = runtime.peak_mb
        assert 200 <= runtime.invoke("work").cpu_ms < 260
        assert runtime.invoke("nothing").cpu_ms < 20
        runtime.invoke("memory")
        assert runtime.peak_mb - before > 60


def test_failed_call_has_an_error_and_the_next_succeeds(package: Package) -> None:
    with LambdaRuntime(package(WORK), "app.handler", timeout_s=1) as runtime:
        assert runtime.invoke("raise").error == "KeyError: 'x'"
        assert "timed out after 1" in runtime.invoke("sleep").error
        assert runtime.invoke("nothing").error == ""
        assert "exit status 3" in runtime.invoke("exit").error
        assert runtime.invoke("nothing").error == ""


def test_module_that_cannot_be_loaded_is_an_error(package: Package) -> None:
    with LambdaRuntime(package("import nowhere"), "app.handler") as runtime:
        assert "No module named 'nowhere'" in runtime.invoke({}).error


def test_missing_runtime_is_reported_with_the_command_to_install_it(tmp_path: Path) -> None:
    with (
        pytest.raises(LambdaRuntimeError, match="bootstrap runtime"),
        LambdaRuntime(tmp_path, "app.x", emulator=tmp_path / "none"),
    ):
        pass
