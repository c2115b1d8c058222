"""Brings changed files into the running local environment, by the shortest way that ends with what a complete deploy would.

- Settings and templates: these files are replaced in the zip that Chalice uploaded, and each function gets the new zip through
  UpdateFunctionCode, which restarts its workers.
- Code, stage variables, and settings that change triggers, permissions or resources (another bucket, kind of rule, …): set-up,
  `chalice deploy` and finish, as at the start.

Whatever fails, the running version stays.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.settings import Settings

from ...deployment.setup import SetupError
from ...deployment.stack import StackError
from ...waiting import wait_until
from ..environment import LocalEnvironment
from ..local_deploy import DeployError, copy_project
from .bindings import fingerprint
from .changes import Part, part_of
from .package import code_sha256, replace_files

CODE_BUCKET = "dropnote-local-code"  # of the local account: each function reads the new zip from there
UPDATE_S = 30.0
_FAST = frozenset((Part.SETTINGS, Part.TEMPLATES))
_PARALLEL = 4


class RedeployError(Exception):
    """The changes are not deployed: one sentence; `detail` is the end of a log, or empty."""

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Redeployed:
    """What a redeploy did."""

    functions: int
    complete: bool  # by set-up and `chalice deploy`; otherwise only files in the zip were replaced
    seconds: float


class Redeployer:
    """Redeploys one running environment: the project's files as they are when `apply` is called."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._environment = environment
        self._replaced: dict[str, bytes | None] = {}  # contents that differ from Chalice's zip; None for a deleted file
        self._pending = False  # the last complete deploy failed
        self._note_deployed()

    def apply(self, files: Collection[str], on_step: Callable[[str], object] = lambda step: None) -> Redeployed | None:
        """Deploy changed files, given by their paths relative to the project; None if their contents are as deployed.

        Raises:
            RedeployError: they are not deployed.
        """
        started, files = time.monotonic(), [file for file in files if self._differs(file)]
        if not files and not self._pending:
            return None
        try:
            complete = self._pending or not self._replace(files)
            if complete:
                on_step("Deploying everything")
                self._deploy(on_step)
        except DeployError as error:
            raise RedeployError(str(error), error.tail) from error
        except (SetupError, StackError, BotoCoreError, ClientError, OSError) as error:
            raise RedeployError(str(error)) from error
        return Redeployed(len(self._environment.functions), complete, time.monotonic() - started)

    def undeployed(self, files: Collection[str]) -> list[str]:
        """Which of these files differ from what is deployed: they changed while the environment started."""
        return [file for file in files if part_of(file) is not Part.VARIABLES and self._differs(file)]

    def _differs(self, file: str) -> bool:
        """Whether a file is other than deployed. The deployed copy of variables has values of this environment, too."""
        environment = self._environment
        return part_of(file) is Part.VARIABLES or content_of(environment.project / file) != content_of(
            environment.setup.project / file
        )

    def _replace(self, files: Collection[str]) -> bool:
        """Replace settings and templates only; False if a complete deploy is needed."""
        environment, parts = self._environment, {part_of(file) for file in files}
        if not parts <= _FAST:
            return False
        folder = environment.setup.project
        contents = {file: content_of(environment.project / file) for file in files}
        before = {file: content_of(folder / file) for file in files}
        _write(folder, contents)
        try:
            settings = environment.setup.settings(environment.variables)
            if Part.SETTINGS in parts and self._fingerprint_of(settings) != self._fingerprint:
                return False
            self._update({**self._replaced, **contents})
        except BaseException:
            _write(folder, before)  # so that the files still differ from what is deployed
            raise
        self._replaced |= contents
        environment.settings = settings
        environment.account.provide(settings, environment.variables)  # people whom the inbox names
        return True

    def _update(self, contents: Mapping[str, bytes | None]) -> None:
        """Give every function a zip with these files."""
        environment = self._environment
        package = environment.account.folder / "code.zip"
        replace_files(self._package, package, contents)
        s3, key = environment.account.client("s3"), f"{code_sha256(package)[:16].replace('/', '_')}.zip"
        s3.create_bucket(Bucket=CODE_BUCKET)
        s3.put_object(Bucket=CODE_BUCKET, Key=key, Body=package.read_bytes())
        client = environment.account.client("lambda")

        functions = environment.functions.values()
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(lambda arn: client.update_function_code(FunctionName=arn, S3Bucket=CODE_BUCKET, S3Key=key), functions))
        if not wait_until(lambda: all(_is_updated(client, arn) for arn in functions), UPDATE_S, pause_s=0.05):
            raise RedeployError(f"the functions were not updated within {UPDATE_S:g} s")
        s3.delete_object(Bucket=CODE_BUCKET, Key=key)

    def _deploy(self, on_step: Callable[[str], object]) -> None:
        """Deploy everything, as at the start; what settings newly expect is created."""
        environment, self._pending = self._environment, True
        copy_project(environment.project, environment.setup.project, environment.running.stage, environment.target)
        environment.variables = environment.setup.variables()
        environment.settings = environment.setup.settings(environment.variables)
        environment.account.provide(environment.settings, environment.variables)
        environment.deploy(on_step)
        self._note_deployed()
        self._pending = False

    def warm_up(self) -> None:
        """Start the new workers of the functions of uploads in the background, so that the next upload need not wait for them."""

        def run() -> None:
            with suppress(BotoCoreError, ClientError):  # the next redeploy stops them
                self._environment.warm_up()

        threading.Thread(target=run, daemon=True).start()

    def _note_deployed(self) -> None:
        """Remember what Chalice deployed: its zip, and everything besides code."""
        environment = self._environment
        name = next(iter(environment.functions.values()))
        deployed = environment.account.client("lambda").get_function_configuration(FunctionName=name)["CodeSha256"]
        packages = (environment.setup.project / ".chalice" / "deployments").glob("*.zip")
        self._package = next(package for package in packages if code_sha256(package) == deployed)
        self._replaced = {}
        self._fingerprint = self._fingerprint_of(environment.settings)

    def _fingerprint_of(self, settings: Settings) -> str:
        environment = self._environment
        return fingerprint(settings, environment.variables, environment.setup.location(settings))


def _is_updated(client: Any, arn: str) -> bool:
    """Whether a function runs its new code (AWS Lambda developer guide, "Lambda function states")."""
    return bool(client.get_function_configuration(FunctionName=arn)["LastUpdateStatus"] == "Successful")


def content_of(file: Path) -> bytes | None:
    """A file's content; None if it does not exist."""
    try:
        return file.read_bytes()
    except OSError:
        return None


def _write(folder: Path, contents: Mapping[str, bytes | None]) -> None:
    """Write files; None deletes one."""
    for name, content in contents.items():
        file = folder / name
        if content is None:
            file.unlink(missing_ok=True)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
