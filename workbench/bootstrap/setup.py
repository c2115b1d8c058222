"""Sets up what the other commands need, with nothing but a Python: `python3 -m workbench.bootstrap [dev] [runtime] [bench]`.

Makes `.venv` (the project's environment), `.dropnote/ministack` (the local AWS, in an environment of its own)
and `.dropnote/wheels` (what goes into the Lambda zip, so that packaging needs no network). Where they are asked for, also
`.dropnote/runtime` (AWS's own Lambda runtime) and `.dropnote/bench` (what Dropnote is compared with). Each is stamped
with the requirements it was made from: a second call does nothing and takes a fraction of a second.

Imports only the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import platform
import re
import shutil
import sys
import threading
import zipfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from .steps import ROOT, Progress, Runner, SetupError

TYPE_CHECKING = False  # spares set-up the import of typing
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

OLDEST = (3, 11)
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
EXTRAS = ("runtime", "bench")  # only for who asks
SAM = "aws-sam-cli==1.170.0"  # its wheel has AWS's runtime interface emulator; nothing else of it is used
TUTORIAL = ROOT / "bench" / "rivals" / "tutorial.txt"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def digest(*files: Path) -> str:
    """Identifies the Python and the requirement files, with those they include."""
    told = hashlib.sha256(f"{sys.version_info[:3]} {sys.base_prefix}".encode())
    for file in files:
        text = file.read_text()
        told.update(text.encode())
        included = re.findall(r"^-r (\S+)", text, flags=re.MULTILINE)
        told.update(digest(*(file.parent / name for name in included)).encode() if included else b"")
    return told.hexdigest()


class Stamps:
    """What each step was last completed with."""

    def __init__(self, file: Path) -> None:
        """`file` is a JSON object, step to digest; it may not exist."""
        self._file = file
        self._lock = threading.Lock()
        try:
            self._stamps: dict[str, str] = json.loads(file.read_text())
        except (OSError, ValueError):
            self._stamps = {}

    def fresh(self, step: str, stamp: str) -> bool:
        """Was the step completed with this digest?"""
        return self._stamps.get(step) == stamp

    def put(self, **stamps: str) -> None:
        """Note completed steps. An empty stamp says: not complete."""
        with self._lock:
            self._stamps.update(stamps)
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._stamps, indent=1))
            fresh.replace(self._file)


class Setup:
    """The steps, each run only when its stamp is not fresh."""

    def __init__(self, state: Path, venv: Path, runner: Runner, progress: Progress) -> None:
        """`state` is `.dropnote`, `venv` is `.venv`."""
        self._state, self._venv = state, venv
        self._runner, self._progress = runner, progress
        self._stamps = Stamps(state / "stamps.json")

    def chains(self, dev: bool, extras: Collection[str] = ()) -> list[Callable[[], None]]:
        """What is to be done; the chains do not depend on each other."""
        more = {"runtime": self._runtime, "bench": self._bench}
        return [lambda: self._project(dev), self._local_aws, *(more[extra] for extra in extras)]

    def complete(self, dev: bool, extras: Collection[str] = ()) -> bool:
        """Is there nothing to do?"""
        wanted = "dev" if dev else "workbench"
        steps = [(wanted, self._venv), ("ministack", self._ministack()), ("wheels", self._state / "wheels")]
        steps += [(extra, self._state / extra) for extra in extras]
        return all(path.exists() and self._stamps.fresh(step, self._digest(step)) for step, path in steps) and (
            self._stamps.fresh("dropnote", self._digest("dropnote")) and (self._venv / "bin/dropnote").exists()
        )

    def _ministack(self) -> Path:
        return self._state / "ministack"

    def _digest(self, step: str) -> str:
        files = {"wheels": "requirements.txt", "dropnote": "pyproject.toml"}
        told = digest(ROOT / files.get(step, f"requirements-{step}.txt"))
        if step == "bench":
            return told + digest(TUTORIAL)
        return f"{told} {SAM} {platform.machine()}" if step == "runtime" else told

    def _project(self, dev: bool) -> None:
        step = "dev" if dev else "workbench"
        if not (self._venv.exists() and self._stamps.fresh(step, self._digest(step))):
            self._install(step, self._venv, "the project's environment")
            if dev:  # whoever has the tests' tools has the workbench's too
                self._stamps.put(workbench=self._digest("workbench"))
            self._stamps.put(dropnote="")
        command = self._venv / "bin/dropnote"
        if not (command.exists() and self._stamps.fresh("dropnote", self._digest("dropnote"))):
            self._runner.begin("dropnote")
            # setuptools comes with the requirements: nothing is fetched for this build
            self._pip("dropnote", self._venv, "install", "--no-build-isolation", "--no-deps", "-e", str(ROOT))
            self._stamps.put(dropnote=self._digest("dropnote"))

    def _local_aws(self) -> None:
        venv, wheels = self._ministack(), self._state / "wheels"
        if not (venv.exists() and self._stamps.fresh("ministack", self._digest("ministack"))):
            self._install("ministack", venv, "the local AWS")
        if not (wheels.exists() and self._stamps.fresh("wheels", self._digest("wheels"))):
            self._stamps.put(wheels="")
            shutil.rmtree(wheels, ignore_errors=True)
            self._runner.begin("wheels")
            self._progress.start("packages for Lambda")
            self._pip("wheels", venv, "download", "-r", str(ROOT / "requirements.txt"), "-d", str(wheels))
            self._stamps.put(wheels=self._digest("wheels"))
            self._progress.done("packages for Lambda")

    def _runtime(self) -> None:
        """Lambda's runtime in an environment of its own, and the emulator out of a wheel that is not installed."""
        venv = self._state / "runtime"
        if venv.exists() and self._stamps.fresh("runtime", self._digest("runtime")):
            return
        self._install("runtime", venv, "AWS's Lambda runtime")
        self._stamps.put(runtime="")
        told, wheels = "AWS's runtime interface emulator", venv / "wheels"
        self._progress.start(told)
        shutil.rmtree(wheels, ignore_errors=True)
        self._pip("runtime", venv, "download", "--no-deps", SAM, "-d", str(wheels))
        for wheel in wheels.glob("*.whl"):
            unpack_emulator(wheel, venv / "aws-lambda-rie", platform.machine())
        shutil.rmtree(wheels, ignore_errors=True)
        self._stamps.put(runtime=self._digest("runtime"))
        self._progress.done(told)

    def _bench(self) -> None:
        """What Dropnote is compared with: Powertools installed into a folder, and the wheels of the tutorial's zip."""
        folder, told = self._state / "bench", "what Dropnote is compared with"
        if folder.exists() and self._stamps.fresh("bench", self._digest("bench")):
            return
        self._runner.begin("bench")
        self._progress.start(told)
        shutil.rmtree(folder, ignore_errors=True)
        pip = ("bench", sys.executable, *PIP)
        target, wheels = str(folder / "powertools"), str(folder / "wheels")
        self._runner.run(*pip, "install", "--target", target, "-r", str(ROOT / "requirements-bench.txt"))
        self._runner.run(*pip, "download", "-r", str(TUTORIAL), "-d", wheels)
        self._stamps.put(bench=self._digest("bench"))
        self._progress.done(told)

    def _install(self, step: str, venv: Path, told: str) -> None:
        """Fill a virtual environment. One left half-made, or of another Python, is made from scratch."""
        self._runner.begin(step)
        self._progress.start(told)
        half_made = venv / ".half-made"
        python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        if half_made.exists() or not (venv / "bin" / python).exists():
            shutil.rmtree(venv, ignore_errors=True)
            venv.mkdir(parents=True)
            half_made.touch()
            self._runner.run(step, sys.executable, "-m", "venv", str(venv))
        self._stamps.put(**{step: ""})
        half_made.touch()
        self._pip(step, venv, "install", "-r", str(ROOT / f"requirements-{step}.txt"))
        half_made.unlink()
        self._stamps.put(**{step: self._digest(step)})
        self._progress.done(told)

    def _pip(self, step: str, venv: Path, *arguments: str) -> None:
        self._runner.run(step, venv / "bin/python", *PIP, *arguments)


def unpack_emulator(wheel: Path, to: Path, machine: str) -> None:
    """Take AWS's runtime interface emulator out of the aws-sam-cli wheel.

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
    """Refuse a Python that cannot carry the project.

    Raises:
        SetupError: too old, or without the venv module.
    """
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < OLDEST:
        raise SetupError(
            f"Dropnote needs Python 3.11 or newer and this is {found}: name another, as in `make run PYTHON=python3.11`."
        )
    if not (has_module("venv") and has_module("ensurepip")):
        raise SetupError(
            f"This Python {found} cannot make virtual environments: "
            "install its venv package (on Debian and Ubuntu, python3-venv)."
        )


def set_up(dev: bool, setup: Setup, runner: Runner, progress: Progress, extras: Collection[str] = ()) -> None:
    """Run the chains at the same time; when one fails, the others are stopped.

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
    """Set up; 0 when all is there, 1 with one sentence on stderr, 130 after Ctrl-C."""
    try:
        check_python(sys.version_info[:3], importlib.util.find_spec)
        state = ROOT / ".dropnote"
        runner = Runner(state / "logs")
        progress = Progress(lambda text: (sys.stdout.write(text), sys.stdout.flush()), sys.stdout.isatty())
        with (state / "set-up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second `make` at the same time waits for the first
            extras = [extra for extra in EXTRAS if extra in arguments]
            set_up("dev" in arguments, Setup(state, ROOT / ".venv", runner, progress), runner, progress, extras)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Set-up was stopped. The next call goes on from here.\n")
        return 130
    return 0
