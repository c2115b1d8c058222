"""Set-up: what it rejects in one sentence, what it repeats, and what it leaves unchanged."""

import platform
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path

import pytest

from workbench.bootstrap.setup import Setup, check_python, set_up, unpack_emulator
from workbench.bootstrap.steps import Progress, Runner, SetupError, Stamps, digest


class FakeRunner(Runner):
    """Runs nothing. The first program whose command contains `broken` fails."""

    def __init__(self, logs: Path, broken: str = "") -> None:
        super().__init__(logs)
        self.broken = broken
        self.commands: list[str] = []

    def run(self, step: str, *command: str | Path) -> None:
        line = " ".join(map(str, command))
        self.commands.append(line)
        if self.broken and self.broken in line:
            raise SetupError(f"broken at {step}")
        if " venv " in line:
            programs = Path(command[-1]) / "bin"
            programs.mkdir(parents=True)
            (programs / f"python{sys.version_info[0]}.{sys.version_info[1]}").touch()
        if " -e " in line:
            (Path(command[0]).parent / "dropnote").touch()
        if " download " in line:
            Path(command[-1]).mkdir(parents=True)
        if "aws-sam-cli" in line:
            with zipfile.ZipFile(Path(command[-1]) / "sam.whl", "w") as wheel:
                wheel.writestr("samcli/local/rapid/aws-lambda-rie-x86_64", "emulator")
                wheel.writestr("samcli/local/rapid/aws-lambda-rie-arm64", "emulator")


def run_setup(folder: Path, broken: str = "", dev: bool = False, extras: Collection[str] = ()) -> list[str]:
    """Set up once in the folder; the commands it ran."""
    runner = FakeRunner(folder / "state" / "logs", broken)
    progress = Progress(lambda text: None, live=False)
    set_up(dev, Setup(folder / "state", folder / "venv", runner, progress), runner, progress, extras)
    return runner.commands


def test_first_set_up_creates_both_environments_and_the_wheels(tmp_path: Path) -> None:
    commands = "\n".join(run_setup(tmp_path))
    for part in ("-m venv", "requirements-workbench.txt", "requirements-ministack.txt", "download", "-e"):
        assert part in commands


def test_second_set_up_runs_nothing(tmp_path: Path) -> None:
    run_setup(tmp_path)
    assert run_setup(tmp_path) == []


def test_development_requirements_include_the_workbenchs(tmp_path: Path) -> None:
    run_setup(tmp_path, dev=True)
    assert run_setup(tmp_path, dev=False) == []


def test_failed_install_starts_from_scratch_next_time(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        run_setup(tmp_path, broken="requirements-workbench.txt")
    second_run = run_setup(tmp_path)
    assert any(f"-m venv {tmp_path / 'venv'}" in command for command in second_run)
    assert run_setup(tmp_path) == []


def test_removed_command_is_installed_again(tmp_path: Path) -> None:
    run_setup(tmp_path)
    (tmp_path / "venv" / "bin" / "dropnote").unlink()
    assert [command for command in run_setup(tmp_path) if " -e " in command]


def test_aws_runtime_and_compared_bots_are_installed_only_on_request(tmp_path: Path) -> None:
    commands = "\n".join(run_setup(tmp_path, dev=True))
    assert "requirements-runtime.txt" not in commands
    assert "requirements-bench.txt" not in commands
    assert not (tmp_path / "state" / "runtime").exists()


def test_requested_aws_runtime_is_installed_once(tmp_path: Path) -> None:
    run_setup(tmp_path, extras=["runtime", "bench"])
    emulator = tmp_path / "state" / "runtime" / "aws-lambda-rie"
    assert emulator.stat().st_mode & 0o111
    assert run_setup(tmp_path, extras=["runtime", "bench"]) == []


def test_runtime_without_its_emulator_is_completed_next_time(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        run_setup(tmp_path, broken="aws-sam-cli", extras=["runtime"])
    assert any("aws-sam-cli" in command for command in run_setup(tmp_path, extras=["runtime"]))


def test_machine_without_an_emulator_is_reported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sam.whl", "w") as wheel:
        wheel.writestr("samcli/__init__.py", "")
    with pytest.raises(SetupError, match=rf"no runtime interface emulator for this machine \({platform.machine()}\)"):
        unpack_emulator(tmp_path / "sam.whl", tmp_path / "rie", platform.machine())


def test_digest_changes_with_an_included_file(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.txt", tmp_path / "inner.txt"
    outer.write_text("-r inner.txt\nflask\n")
    inner.write_text("boto3==1\n")
    before = digest(outer)
    inner.write_text("boto3==2\n")
    assert digest(outer) != before


def test_unreadable_stamps_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "stamps.json").write_text('{"wheels": "ha')
    assert not Stamps(tmp_path / "stamps.json").fresh("wheels", "half")


def test_old_python_is_rejected_with_the_option_to_choose_another() -> None:
    with pytest.raises(SetupError, match=r"needs Python 3.11 or newer, and this is 3.9.2: .*PYTHON="):
        check_python((3, 9, 2), lambda name: name)


def test_python_without_venv_is_rejected_with_the_package_to_install() -> None:
    with pytest.raises(SetupError, match="python3-venv"):
        check_python((3, 12, 0), lambda name: None)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("pip: NewConnectionError: Temporary failure in name resolution", "needs a network connection"),
        ("collecting\nERROR: no space left on device", "failed at wheels: ERROR: no space left on device"),
    ],
)
def test_failed_program_is_reported_in_a_sentence_that_names_its_log(tmp_path: Path, output: str, message: str) -> None:
    program = f"import sys\nprint({output!r})\nsys.exit(1)"
    with pytest.raises(SetupError, match=message) as caught:
        Runner(tmp_path).run("wheels", sys.executable, "-c", program)
    assert "set-up-wheels.log" in str(caught.value)


def test_stopped_runner_starts_nothing_more(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.stop()
    with pytest.raises(SetupError, match="stopped"):
        runner.run("wheels", sys.executable, "-c", "pass")
