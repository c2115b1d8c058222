"""Installs what the other commands need: `python3 -m workbench.bootstrap [dev] [runtime] [bench]`.

Creates `.venv` (the project's environment), `.dropnote/ministack` (the local AWS emulator, in an environment of its own) and
`.dropnote/wheels` (the packages of the Lambda zip, so that packaging needs no network). On request also `.dropnote/runtime`
(AWS's own Lambda runtime) and `.dropnote/bench` (the bots that Dropnote is compared with). Each has a stamp of its
requirements, so a second call does nothing and takes a fraction of a second.

Imports only the standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import importlib.util
import platform
import shutil
import sys
import zipfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from .steps import ROOT, Progress, Runner, SetupError, Stamps, digest

TYPE_CHECKING = False  # set-up does not import typing, to start faster
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

OLDEST_PYTHON = (3, 11)
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
EXTRAS = ("runtime", "bench")  # only on request
SAM = "aws-sam-cli==1.170.0"  # only for AWS's runtime interface emulator, which is in its wheel
TUTORIAL = ROOT / "bench" / "rivals" / "tutorial.txt"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class Setup:
    """The steps of set-up. A step runs only if its stamp is outdated."""

    def __init__(self, state: Path, venv: Path, runner: Runner, progress: Progress) -> None:
        """`state` is `.dropnote`, `venv` is `.venv`."""
        self._state, self._venv = state, venv
        self._runner, self._progress = runner, progress
        self._stamps = Stamps(state / "stamps.json")

    def chains(self, dev: bool, extras: Collection[str] = ()) -> list[Callable[[], None]]:
        """The chains of steps to run; they are independent of each other."""
        optional = {"runtime": self._runtime, "bench": self._bench}
        return [lambda: self._project(dev), self._emulator, *(optional[extra] for extra in extras)]

    def complete(self, dev: bool, extras: Collection[str] = ()) -> bool:
        """Whether every step is up to date."""
        project = "dev" if dev else "workbench"
        steps = [(project, self._venv), ("ministack", self._state / "ministack"), ("wheels", self._state / "wheels")]
        steps += [(extra, self._state / extra) for extra in extras]
        return all(path.exists() and self._stamps.fresh(step, self._digest(step)) for step, path in steps) and (
            self._stamps.fresh("dropnote", self._digest("dropnote")) and (self._venv / "bin/dropnote").exists()
        )

    def _digest(self, step: str) -> str:
        files = {"wheels": "requirements.txt", "dropnote": "pyproject.toml"}
        requirements = digest(ROOT / files.get(step, f"requirements-{step}.txt"))
        if step == "bench":
            return requirements + digest(TUTORIAL)
        return f"{requirements} {SAM} {platform.machine()}" if step == "runtime" else requirements

    def _project(self, dev: bool) -> None:
        step = "dev" if dev else "workbench"
        if not (self._venv.exists() and self._stamps.fresh(step, self._digest(step))):
            self._install(step, self._venv, "project environment")
            if dev:  # the development requirements include the workbench's
                self._stamps.put(workbench=self._digest("workbench"))
            self._stamps.put(dropnote="")
        command = self._venv / "bin/dropnote"
        if not (command.exists() and self._stamps.fresh("dropnote", self._digest("dropnote"))):
            self._runner.begin("dropnote")
            # setuptools is among the requirements: this build downloads nothing
            self._pip("dropnote", self._venv, "install", "--no-build-isolation", "--no-deps", "-e", str(ROOT))
            self._stamps.put(dropnote=self._digest("dropnote"))

    def _emulator(self) -> None:
        venv, wheels = self._state / "ministack", self._state / "wheels"
        if not (venv.exists() and self._stamps.fresh("ministack", self._digest("ministack"))):
            self._install("ministack", venv, "local AWS emulator")
        if not (wheels.exists() and self._stamps.fresh("wheels", self._digest("wheels"))):
            self._stamps.put(wheels="")
            shutil.rmtree(wheels, ignore_errors=True)
            self._runner.begin("wheels")
            self._progress.start("Lambda packages")
            self._pip("wheels", venv, "download", "-r", str(ROOT / "requirements.txt"), "-d", str(wheels))
            self._stamps.put(wheels=self._digest("wheels"))
            self._progress.done("Lambda packages")

    def _runtime(self) -> None:
        """Install Lambda's runtime in its own environment, and unpack the emulator from a wheel without installing it."""
        venv = self._state / "runtime"
        if venv.exists() and self._stamps.fresh("runtime", self._digest("runtime")):
            return
        self._install("runtime", venv, "AWS Lambda runtime")
        self._stamps.put(runtime="")
        title, wheels = "AWS runtime interface emulator", venv / "wheels"
        self._progress.start(title)
        shutil.rmtree(wheels, ignore_errors=True)
        self._pip("runtime", venv, "download", "--no-deps", SAM, "-d", str(wheels))
        for wheel in wheels.glob("*.whl"):
            unpack_emulator(wheel, venv / "aws-lambda-rie", platform.machine())
        shutil.rmtree(wheels, ignore_errors=True)
        self._stamps.put(runtime=self._digest("runtime"))
        self._progress.done(title)

    def _bench(self) -> None:
        """Download what Dropnote is compared with: Powertools, installed into a folder, and the wheels of the tutorial's zip."""
        folder, title = self._state / "bench", "packages of the compared bots"
        if folder.exists() and self._stamps.fresh("bench", self._digest("bench")):
            return
        self._runner.begin("bench")
        self._progress.start(title)
        shutil.rmtree(folder, ignore_errors=True)
        pip = ("bench", sys.executable, *PIP)
        target, wheels = str(folder / "powertools"), str(folder / "wheels")
        self._runner.run(*pip, "install", "--target", target, "-r", str(ROOT / "requirements-bench.txt"))
        self._runner.run(*pip, "download", "-r", str(TUTORIAL), "-d", wheels)
        self._stamps.put(bench=self._digest("bench"))
        self._progress.done(title)

    def _install(self, step: str, venv: Path, title: str) -> None:
        """Fill a virtual environment. An incomplete one, or one of another Python, is created anew."""
        self._runner.begin(step)
        self._progress.start(title)
        incomplete = venv / ".half-made"
        python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        if incomplete.exists() or not (venv / "bin" / python).exists():
            shutil.rmtree(venv, ignore_errors=True)
            venv.mkdir(parents=True)
            incomplete.touch()
            self._runner.run(step, sys.executable, "-m", "venv", str(venv))
        self._stamps.put(**{step: ""})
        incomplete.touch()
        self._pip(step, venv, "install", "-r", str(ROOT / f"requirements-{step}.txt"))
        incomplete.unlink()
        self._stamps.put(**{step: self._digest(step)})
        self._progress.done(title)

    def _pip(self, step: str, venv: Path, *arguments: str) -> None:
        self._runner.run(step, venv / "bin/python", *PIP, *arguments)


def unpack_emulator(wheel: Path, to: Path, machine: str) -> None:
    """Extract AWS's runtime interface emulator from the aws-sam-cli wheel.

    Raises:
        SetupError: it has none for this machine.
    """
    name = f"samcli/local/rapid/aws-lambda-rie-{MACHINES.get(machine.lower(), machine)}"
    with zipfile.ZipFile(wheel) as files:
        if name not in files.namelist():
            raise SetupError(f"{wheel.name} has no runtime interface emulator for this machine ({machine}).")
        to.write_bytes(files.read(name))
    to.chmod(0o755)


def check_python(version: Sequence[int], has_module: Callable[[str], object]) -> None:
    """Reject a Python that cannot run the project.

    Raises:
        SetupError: it is too old or has no venv module.
    """
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise SetupError(
            f"Dropnote needs Python 3.11 or newer, and this is {found}: choose another, for example `make run PYTHON=python3.11`."
        )
    if not (has_module("venv") and has_module("ensurepip")):
        raise SetupError(
            f"This Python {found} cannot create virtual environments: "
            "install its venv package (python3-venv on Debian and Ubuntu)."
        )


def set_up(dev: bool, setup: Setup, runner: Runner, progress: Progress, extras: Collection[str] = ()) -> None:
    """Run the chains in parallel. If one fails, stop the others.

    Raises:
        SetupError: the first failure.
    """
    if setup.complete(dev, extras):
        return
    with ThreadPoolExecutor() as pool:
        chains = [pool.submit(chain) for chain in setup.chains(dev, extras)]
        try:
            while (waiting := wait(chains, 0.2, FIRST_EXCEPTION)).not_done:
                progress.tick()
                for chain in waiting.done:
                    chain.result()
        finally:
            runner.stop()
            progress.end()
        for chain in chains:
            chain.result()


def main(arguments: Sequence[str]) -> int:
    """Set up. Return 0 on success, 1 after a failure (one sentence on stderr), 130 after Ctrl-C."""
    try:
        check_python(sys.version_info[:3], importlib.util.find_spec)
        state = ROOT / ".dropnote"
        runner = Runner(state / "logs")
        progress = Progress(lambda text: (sys.stdout.write(text), sys.stdout.flush()), sys.stdout.isatty())
        with (state / "set-up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` waits for the first
            extras = [extra for extra in EXTRAS if extra in arguments]
            set_up("dev" in arguments, Setup(state, ROOT / ".venv", runner, progress), runner, progress, extras)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Set-up was stopped. Run the same command to continue.\n")
        return 130
    return 0
