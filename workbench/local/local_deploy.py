"""Runs a real `chalice deploy` into the local environment, from a temporary folder, so that no tracked file changes.

The folder has copies of the files that set-up and deploy read (app.py, chalicelib, vendor, requirements.txt, resources.yaml) and
a config.json with the stage's settings plus the values of the running environment.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import botocore

from chalicelib.platform.custom import CONFIG
from chalicelib.platform.custom import folder as own_folder

from ..deployment.config import read_stage
from ..packaging.build import host_architecture
from ..paths import PACKAGES, WHEELS
from .ministack import ACCESS_KEY, REGION, SECRET_KEY

DEPLOY_S = 180.0
_MAX_PACKAGES = 3
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.py[cod]")
_WAITER_DELAY_S = 0.1


class DeployError(Exception):
    """A deploy failed: one sentence, and the end of its output."""

    def __init__(self, sentence: str, log: Path, tail: str) -> None:
        super().__init__(sentence)
        self.log, self.tail = log, tail


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoints and packages of a deploy."""

    endpoint: str  # MiniStack's base URL
    rest_api: str  # the shim's base URL
    wheels: Path = WHEELS
    packages: Path = PACKAGES
    environment: Mapping[str, str] = field(default_factory=dict)  # for the functions; overrides config.json's
    credentials: Mapping[str, str] = field(default_factory=dict)  # of the deployer, instead of the root user's

    def variables(self, folder: Path) -> dict[str, str]:
        """The complete environment of `chalice deploy`."""
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # compiled files would land in the package
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_API_GATEWAY": self.rest_api,
            "AWS_DATA_PATH": str(folder / "botocore"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CONFIG_FILE": os.devnull,
            **self.credentials,
        }


def make_folder(project: Path, folder: Path, stage: str, target: Target) -> Path:
    """Create the project folder to deploy, `<folder>/project`."""
    copy = folder / "project"
    (copy / ".chalice").mkdir(parents=True)
    copy_project(project, copy, stage, target)
    fast_waiters(folder / "botocore")
    return copy


def copy_project(project: Path, copy: Path, stage: str, target: Target) -> None:
    """Copy what set-up and deploy read, over an earlier copy if there is one; Chalice's list of what it deployed stays."""
    for name in ("chalicelib", "vendor"):
        shutil.rmtree(copy / name, ignore_errors=True)
    for name in ("app.py", "requirements.txt", "resources.yaml"):
        shutil.copy2(project / name, copy / name)
    shutil.copytree(project / "chalicelib", copy / "chalicelib", ignore=_SKIPPED)
    (own_folder(copy / "chalicelib") / CONFIG).unlink(missing_ok=True)  # its values are in the config.json written below
    if (project / "vendor").is_dir():
        shutil.copytree(project / "vendor", copy / "vendor")
    settings = read_stage(project, stage)
    top = {name: settings.pop(name) for name in ("version", "app_name")}
    settings["environment_variables"] |= target.environment
    settings["lambda_architecture"] = host_architecture()  # the functions run on this machine
    (copy / ".chalice" / "config.json").write_text(json.dumps({**top, "stages": {stage: settings}}, indent=2))


def deploy(project: Path, stage: str, target: Target, log: Path, timeout_s: float = DEPLOY_S) -> None:
    """Deploy the stage from a folder of make_folder. Afterwards its `.chalice/deployed/` lists the resources.

    Raises:
        DeployError: it failed or took too long. Its output is in `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    _restore_packages(target.packages, project / ".chalice" / "deployments")
    command = [str(Path(sys.executable).with_name("chalice")), "deploy", "--stage", stage]
    status = _run(command, project, target.variables(project.parent), log, timeout_s)
    if status != 0:
        raise _error(status, log, timeout_s)
    _save_packages(project / ".chalice" / "deployments", target.packages)


def _run(command: list[str], folder: Path, variables: Mapping[str, str], log: Path, timeout_s: float) -> int | None:
    """Return the exit status, or None after the timeout. However the wait ends, the program and its children are killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _error(status: int | None, log: Path, timeout_s: float) -> DeployError:
    lines = log.read_text(errors="replace").strip().splitlines()
    if status is None:
        sentence = f"`chalice deploy` took longer than {timeout_s:g} s"
    else:
        sentence = f"`chalice deploy` failed: {lines[-1].strip() if lines else 'no output'}"
    return DeployError(f"{sentence} (full output: {log})", log, "\n".join(lines[-15:]))


def fast_waiters(folder: Path) -> None:
    """Let botocore poll ten times a second whether a function is ready: AWS takes seconds, MiniStack no time.

    A file under AWS_DATA_PATH takes precedence over the one in botocore's package.
    """
    below = Path("lambda") / "2015-03-31"
    waiters = json.loads((Path(botocore.__file__).parent / "data" / below / "waiters-2.json").read_text())
    for waiter in waiters["waiters"].values():
        waiter["delay"] = _WAITER_DELAY_S
    (folder / below).mkdir(parents=True)
    (folder / below / "waiters-2.json").write_text(json.dumps(waiters))


def _restore_packages(saved: Path, deployments: Path) -> None:
    """Copy the packages of earlier deploys. Chalice names a package by a hash of its content and reuses an existing one."""
    if saved.is_dir():
        shutil.copytree(saved, deployments, dirs_exist_ok=True)


def _save_packages(deployments: Path, saved: Path) -> None:
    """Save the newest packages. Only after a successful deploy: an incomplete package must not be reused."""
    saved.mkdir(parents=True, exist_ok=True)
    for package in deployments.glob("*.zip"):
        if not (saved / package.name).exists():
            fresh = saved / f"{package.name}.{os.getpid()}.new"
            shutil.copy2(package, fresh)
            fresh.replace(saved / package.name)
    for old in sorted(saved.glob("*.zip"), key=lambda package: package.stat().st_mtime)[:-_MAX_PACKAGES]:
        old.unlink(missing_ok=True)
