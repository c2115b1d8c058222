"""A package in AWS's own runtime: what a function sees, what is measured, and that nothing is left."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workbench.local.lambda_runtime import LambdaRuntime, RuntimeTrouble
from workbench.paths import PROJECT, RUNTIME_EMULATOR
from workbench.waiting import wait_until

pytestmark = [
    pytest.mark.world,
    pytest.mark.skipif(
        not RUNTIME_EMULATOR.exists() and "DROPNOTE_REQUIRE_RUNTIME" not in os.environ,
        reason="AWS's runtime is not installed: python3 -m workbench.bootstrap dev runtime",
    ),
]
SEEN = """
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
TROUBLE = """
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
    def make(code: str) -> Path:
        made = tmp_path / "package"
        made.mkdir()
        (made / "app.py").write_text(code)
        (made / "helper.py").write_text("")
        return made

    return make


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_function_sees_what_lambda_gives_and_nothing_of_the_machine(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_MACHINE", "1")
    with LambdaRuntime(package(SEEN), "app.handler", environment={"MINE": "1"}, memory_mb=512, function="sweep") as runtime:
        seen = runtime.invoke({"a": "ü"}).answer
    assert seen["event"] == {"a": "ü"}
    assert 59_000 < seen["left"] <= 60_000
    assert seen["request"]
    assert seen["function"] == ["sweep", "512"]
    assert seen["environment"]["MINE"] == "1"
    assert seen["environment"]["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3")
    assert "OF_THE_MACHINE" not in seen["environment"]


def test_first_call_is_cold_and_the_next_is_in_the_same_process(package: Package) -> None:
    with LambdaRuntime(package(SEEN), "app.handler") as runtime:
        cold, warm = runtime.invoke(b"{}"), runtime.invoke(b"{}")
        assert 0 < runtime.init_ms < cold.wall_ms
        assert 0 < runtime.init_cpu_ms <= cold.cpu_ms
        assert runtime.peak_mb > 5
    assert warm.wall_ms < cold.wall_ms
    assert cold.answer["pid"] == warm.answer["pid"]
    assert runtime.output.count("hello") == 2


def test_nothing_is_written_into_the_package_and_nothing_left_running(package: Package) -> None:
    folder = package(SEEN)
    with LambdaRuntime(folder, "app.handler") as runtime:
        pid = runtime.invoke({}).answer["pid"]
        assert runs(pid)
    assert wait_until(lambda: not runs(pid), within_s=5)
    assert sorted(path.name for path in folder.rglob("*")) == ["app.py", "helper.py"]


def test_nothing_is_left_running_when_whoever_measures_is_killed(package: Package) -> None:
    code = f"""
from pathlib import Path
from workbench.local.lambda_runtime import LambdaRuntime
with LambdaRuntime(Path({str(package(SEEN))!r}), "app.handler") as runtime:
    print(runtime.invoke({{}}).answer["pid"], flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as measuring:
        assert measuring.stdout
        pid = int(measuring.stdout.readline())
        assert runs(pid)
        measuring.kill()
    assert wait_until(lambda: not runs(pid), within_s=5)


def test_cpu_is_told_apart_from_waiting_and_memory_by_its_peak(package: Package) -> None:
    with LambdaRuntime(package(TROUBLE), "app.handler") as runtime:
        runtime.invoke("nothing")
        before = runtime.peak_mb
        assert 200 <= runtime.invoke("work").cpu_ms < 260
        assert runtime.invoke("nothing").cpu_ms < 20
        runtime.invoke("memory")
        assert runtime.peak_mb - before > 60


def test_function_that_fails_is_told_by_its_error_and_goes_on(package: Package) -> None:
    with LambdaRuntime(package(TROUBLE), "app.handler", timeout_s=1) as runtime:
        assert runtime.invoke("raise").error == "KeyError: 'x'"
        assert "timed out after 1" in runtime.invoke("sleep").error
        assert runtime.invoke("nothing").error == ""
        assert "exit status 3" in runtime.invoke("exit").error
        assert runtime.invoke("nothing").error == ""


def test_module_that_cannot_be_loaded_is_told_by_its_error(package: Package) -> None:
    with LambdaRuntime(package("import nowhere"), "app.handler") as runtime:
        assert "No module named 'nowhere'" in runtime.invoke({}).error


def test_missing_runtime_is_told_with_the_way_to_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeTrouble, match="bootstrap runtime"), LambdaRuntime(tmp_path, "app.x", emulator=tmp_path / "none"):
        pass
