"""Builds the Lambda packages to compare, as unpacked folders."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.local.local_deploy import Target, make_folder
from workbench.packaging.build import build
from workbench.paths import BENCH, PROJECT, WHEELS

STAGE = "local"
RIVALS = Path(__file__).parents[1] / "rivals"
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "python_dateutil", "six")  # names of the wheels
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.py[cod]", "custom")


_ZIP = """
import sys
from chalice.deploy.packager import DependencyBuilder, LambdaDeploymentPackager
from chalice.utils import UI, OSUtils
system = OSUtils()
LambdaDeploymentPackager(system, DependencyBuilder(system), UI()).create_deployment_package(*sys.argv[1:])
"""  # as in `chalice deploy`; `chalice package` rejects @app.on_s3_event


@dataclass(frozen=True, slots=True)
class Package:
    """An unpacked zip and the zip's size."""

    folder: Path
    zip_mb: float  # of 10^6 bytes


def plain(source: Path, into: Path, *, packages: Path | None = None) -> Package:
    """Package a single-file function. `packages` is a folder of installed packages to include, with their bytecode."""
    if packages:
        shutil.copytree(packages, into)
    into.mkdir(exist_ok=True)
    shutil.copy2(source, into / "app.py")
    packed = Path(shutil.make_archive(str(into), "zip", into))
    return Package(into, packed.stat().st_size / 1e6)


def tutorial(into: Path) -> Package:
    """Package the tutorial bot with Chalice."""
    project = into / "project"
    project.mkdir(parents=True)
    shutil.copy2(RIVALS / "tutorial.py", project / "app.py")
    shutil.copy2(RIVALS / "tutorial.txt", project / "requirements.txt")
    return _package(project, into, BENCH / "wheels")


def dropnote(settings: str, into: Path, *, with_boto3: bool = False) -> Package:
    """Package Dropnote with these settings, with `make package` and Chalice."""
    copy, wheels = into / "copy", into / "wheels"
    copy.mkdir(parents=True)
    for name in ("app.py", "requirements.txt", "resources.yaml"):
        shutil.copy2(PROJECT / name, copy / name)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, copy / name, ignore=_SKIPPED)
    (copy / "chalicelib" / "dropnote.toml").write_text(settings)
    shutil.copytree(WHEELS, wheels)
    if with_boto3:
        _add_boto3(copy / "requirements.txt", wheels)
    project = make_folder(copy, into / "stage", STAGE, Target("http://127.0.0.1:9", "http://127.0.0.1:9"))
    build(project, wheels, "x86_64")
    return _package(project, into, wheels)


def _add_boto3(requirements: Path, wheels: Path) -> None:
    added = []
    for name in BOTO3:
        (wheel,) = (BENCH / "wheels").glob(f"{name}-*.whl")
        shutil.copy2(wheel, wheels)
        added.append(f"{name}=={wheel.name.split('-')[1]}")
    requirements.write_text("\n".join([requirements.read_text(), *added, ""]))


def _package(project: Path, into: Path, wheels: Path) -> Package:
    environment = Target("http://127.0.0.1:9", "http://127.0.0.1:9", wheels=wheels).variables(into)
    command = [sys.executable, "-c", _ZIP, str(project), f"python{sys.version_info[0]}.{sys.version_info[1]}"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode != 0:
        raise RuntimeError(f"Chalice could not package {project}: {result.stderr}")
    (packed,) = (project / ".chalice" / "deployments").glob("*.zip")
    with zipfile.ZipFile(packed) as files:
        files.extractall(into / "package")
    return Package(into / "package", packed.stat().st_size / 1e6)


def settings_of(notify: Iterable[str], rules: int = 1, bundling: str = 'then = "off"') -> str:
    """Settings with one person and `rules` rules, of which the first matches all uploads of the bench.

    Unless `bundling` says otherwise, it sends a message for each upload, as the other bots do; so the budgets, which cost as much
    as the default ones, are never exhausted.
    """
    recipients = list(notify)
    by_text = any(recipient.startswith("sms:") for recipient in recipients)
    other_rules = "".join(
        f'[[rules]]\nname = "team {n}"\nbucket = "${{UPLOAD_BUCKET}}"\nkey = "team-{n}/**/*.pdf"\nnotify = ["email:asha"]\n'
        for n in range(1, rules)
    )
    return f"""
[bot]
name = "bench"
[email]
from = "drops@example.com"
{"[sms]" if by_text else ""}
{'account = "${TWILIO_ACCOUNT_SID}"' if by_text else ""}
{'from = "+15005550006"' if by_text else ""}
[people.asha]
email = "asha@example.com"
{'sms = "+919812345678"' if by_text else ""}
budget = ["1000000 per hour", "1000000 per day", "1000000 segments per day"]
[[rules]]
name = "uploads"
bucket = "${{UPLOAD_BUCKET}}"
key = "in/**"
notify = {json.dumps(recipients)}
{bundling}
{other_rules}"""
