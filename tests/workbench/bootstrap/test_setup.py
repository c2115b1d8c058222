"""Set-up: what it refuses in one sentence, what it does again, and what it leaves alone."""

import platform
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path

import pytest

from workbench.bootstrap.setup import Setup, Stamps, check_python, digest, set_up, unpack_emulator
from workbench.bootstrap.steps import Progress, Runner, SetupError


class Recorder(Runner):
    """Runs nothing; the first program whose command has the `broken` word fails."""

    def __init__(self, logs: Path, broken: str = "") -> None:
        super().__init__(logs)
        self.broken = broken
        self.commands: list[str] = []

    def run(self, step: str, *command: str | Path) -> None:
        told = " ".join(map(str, command))
        self.commands.append(told)
        if self.broken and self.broken in told:
            raise SetupError(f"broken at {step}")
        if " venv " in told:
            made = Path(command[-1]) / "bin"
            made.mkdir(parents=True)
            (made / f"python{sys.version_info[0]}.{sys.version_info[1]}").touch()
        if " -e " in told:
            (Path(command[0]).parent / "dropnote").touch()
        if " download " in told:
            Path(command[-1]).mkdir(parents=True)
        if "aws-sam-cli" in told:
            with zipfile.ZipFile(Path(command[-1]) / "sam.whl", "w") as wheel:
                wheel.writestr("samcli/local/rapid/aws-lambda-rie-x86_64", "emulator")
                wheel.writestr("samcli/local/rapid/aws-lambda-rie-arm64", "emulator")


def do(folder: Path, broken: str = "", dev: bool = False, extras: Collection[str] = ()) -> list[str]:
    """One set-up in the folder; the commands it ran."""
    runner = Recorder(folder / "state" / "logs", broken)
    progress = Progress(lambda text: None, live=False)
    set_up(dev, Setup(folder / "state", folder / "venv", runner, progress), runner, progress, extras)
    return runner.commands


def test_first_set_up_makes_both_environments_and_the_wheels(tmp_path: Path) -> None:
    ran = "\n".join(do(tmp_path))
    for part in ("-m venv", "requirements-workbench.txt", "requirements-ministack.txt", "download", "-e"):
        assert part in ran


def test_second_set_up_runs_nothing(tmp_path: Path) -> None:
    do(tmp_path)
    assert do(tmp_path) == []


def test_tests_tools_include_the_workbenchs(tmp_path: Path) -> None:
    do(tmp_path, dev=True)
    assert do(tmp_path, dev=False) == []


def test_failed_install_is_made_from_scratch_next_time(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        do(tmp_path, broken="requirements-workbench.txt")
    again = do(tmp_path)
    assert any(f"-m venv {tmp_path / 'venv'}" in command for command in again)
    assert do(tmp_path) == []


def test_removed_environment_is_made_again(tmp_path: Path) -> None:
    do(tmp_path)
    (tmp_path / "venv" / "bin" / "dropnote").unlink()
    assert [command for command in do(tmp_path) if " -e " in command]


def test_only_who_asks_pays_for_awss_runtime_and_the_rivals(tmp_path: Path) -> None:
    ran = "\n".join(do(tmp_path, dev=True))
    assert "requirements-runtime.txt" not in ran
    assert "requirements-bench.txt" not in ran
    assert not (tmp_path / "state" / "runtime").exists()


def test_awss_runtime_is_there_after_it_was_asked_for(tmp_path: Path) -> None:
    do(tmp_path, extras=["runtime", "bench"])
    emulator = tmp_path / "state" / "runtime" / "aws-lambda-rie"
    assert emulator.stat().st_mode & 0o111
    assert do(tmp_path, extras=["runtime", "bench"]) == []


def test_runtime_without_its_emulator_is_completed_next_time(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        do(tmp_path, broken="aws-sam-cli", extras=["runtime"])
    assert any("aws-sam-cli" in command for command in do(tmp_path, extras=["runtime"]))


def test_machine_without_an_emulator_is_told_so(tmp_path: Path) -> None:
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


def test_unreadable_stamps_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "stamps.json").write_text('{"wheels": "ha')
    assert not Stamps(tmp_path / "stamps.json").fresh("wheels", "half")


def test_old_python_is_refused_with_the_way_out() -> None:
    with pytest.raises(SetupError, match=r"needs Python 3.11 or newer and this is 3.9.2: .*PYTHON="):
        check_python((3, 9, 2), lambda name: name)


def test_python_without_venv_is_refused_with_the_package_to_install() -> None:
    with pytest.raises(SetupError, match="python3-venv"):
        check_python((3, 12, 0), lambda name: None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("pip: NewConnectionError: Temporary failure in name resolution", "needs the network"),
        ("collecting\nERROR: no space left on device", "failed at wheels: ERROR: no space left on device"),
    ],
)
def test_failed_program_is_told_in_a_sentence_that_names_its_log(tmp_path: Path, said: str, told: str) -> None:
    program = f"import sys\nprint({said!r})\nsys.exit(1)"
    with pytest.raises(SetupError, match=told) as caught:
        Runner(tmp_path).run("wheels", sys.executable, "-c", program)
    assert "set-up-wheels.log" in str(caught.value)


def test_stopped_runner_starts_nothing_more(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.stop()
    with pytest.raises(SetupError, match="stopped"):
        runner.run("wheels", sys.executable, "-c", "pass")
