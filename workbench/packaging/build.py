"""`make package`: fills `vendor/`, which Chalice adds to the zip's root, with compiled code, compiled templates and botocore's
data for the AWS services we use. This makes cold starts faster.

Lambda's disk is read-only, so without this each cold start compiles everything it imports. Python checks the compiled files
against their sources on import (PEP 552, hash-based .pyc files): an outdated `vendor/` costs time but never runs old code.
Only the modules that sending a message imports are compiled, so the zip grows by only 10 %.
"""

import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from platform import machine

from jinja2 import TemplateError

from chalicelib.console.pages import environment as console_pages
from chalicelib.platform import aws
from chalicelib.platform.custom import template_folders
from chalicelib.rendering.templates import CACHE_FOLDER, TemplateCache, environment

from ..deployment.config import read_stage
from . import botocore_data

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # Lambda's names: wheels' names
# The glibc of a runtime's operating system: Amazon Linux 2023, and Amazon Linux 2 for Python 3.11 (AWS Lambda developer guide,
# "Lambda runtimes"). A newer wheel does not load. Chalice accepts the same ones, but deploys without a package that has none.
_GLIBC, _GLIBC_OF_3_11 = 34, 26  # 2.34 and 2.26
STAMP = "dropnote-vendor.json"
_TRACER = Path(__file__).with_name("import_trace.py")
_TRACE_S = 60


class PackagingError(Exception):
    """Nothing could be compiled. One sentence."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What `vendor/` contains after a build."""

    package_modules: int
    app_modules: int
    bytes: int


def host_architecture() -> str:
    """Lambda's name for the architecture of this machine, or the machine's own if Lambda does not have it."""
    return next((arch for arch, name in MACHINES.items() if name == machine()), machine())


def build(project: Path, wheels: Path, arch: str) -> BuildResult:
    """Fill the project's `vendor/` from a folder with the wheels of that architecture.

    Raises:
        PackagingError: a wheel is missing or broken, or the app does not load.
    """
    with tempfile.TemporaryDirectory(prefix="dropnote-package-") as temp:
        site, vendor = Path(temp) / "site", Path(temp) / "vendor"
        wheel_files = sorted(wheels.glob("*.whl"))
        if not wheel_files:
            raise PackagingError(f"no packages in {wheels}; run `make setup`")
        for wheel in wheel_files:
            zipfile.ZipFile(wheel).extractall(site)
        imported = trace_imports(project)
        package_modules = sum(_compile(site / name, vendor / name, name) for name in imported if (site / name).exists())
        package_modules += _compile_chalice(vendor)
        app_files = ["app.py", *(str(file.relative_to(project)) for file in sorted((project / "chalicelib").rglob("*.py")))]
        for name in app_files:
            _compile(project / name, vendor / name, name)
        _compile_templates(template_folders(project / "chalicelib"), vendor / CACHE_FOLDER.name)
        botocore_data.write(vendor / aws.DATA_DIR.name)
        (vendor / STAMP).write_text(json.dumps({"python": list(sys.version_info[:2]), "arch": arch}) + "\n")
        size = sum(file.stat().st_size for file in vendor.rglob("*") if file.is_file())
        _replace(project / "vendor", vendor)
    return BuildResult(package_modules, len(app_files), size)


def trace_imports(project: Path) -> list[str]:
    """The files, relative to site-packages, that the app imports to send a text and an e-mail.

    Raises:
        PackagingError: the app does not load.
    """
    variables = {
        **read_stage(project, "local")["environment_variables"],
        "PATH": os.defpath,
        "PYTHONPATH": str(project),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, str(_TRACER)]
    result = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, timeout=_TRACE_S, check=False)
    if result.returncode != 0:
        raise PackagingError(f"the app does not load: {(result.stderr.strip().splitlines() or ['no output'])[-1]}")
    files: list[str] = json.loads(result.stdout.splitlines()[-1])  # the lines before it are the bot's log
    return files


def download_wheels(project: Path, arch: str, into: Path) -> None:
    """Download the wheels of the zip for another architecture and the Python that runs this.

    Raises:
        PackagingError: Lambda does not have it, or pip failed, for example because a package has no such wheel.
    """
    if arch not in MACHINES:
        raise PackagingError(f"lambda_architecture is {arch!r}; use one of {', '.join(MACHINES)}")
    name, (major, minor) = MACHINES[arch], sys.version_info[:2]
    newest = _GLIBC if minor > 11 else _GLIBC_OF_3_11
    platforms = [f"--platform=manylinux_2_{glibc}_{name}" for glibc in range(newest, 4, -1)] + [
        f"--platform=manylinux2014_{name}"
    ]
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={major}.{minor}", f"--abi=cp{major}{minor}", *platforms),
        *("-r", str(project / "requirements.txt"), "-d", str(into)),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PackagingError(f"could not download the packages for {arch}: {(result.stderr.strip().splitlines() or ['?'])[-1]}")


def _compile(source: Path, module: Path, shown_name: str) -> bool:
    """Compile a file into the __pycache__ beside `module`. False for a file that is not Python."""
    if source.suffix != ".py":
        return False
    target = Path(cache_from_source(str(module)))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), str(target), shown_name, doraise=True, invalidation_mode=mode)
    return True


def _compile_chalice(vendor: Path) -> int:
    """Compile the two files of its own that Chalice adds to each zip."""
    spec = find_spec("chalice")
    if spec is None or spec.origin is None:
        raise PackagingError("Chalice is not installed; run `make setup`")
    names: Mapping[str, str] = {"__init__.py": "chalice/__init__.py", "app.py": "chalice/app.py"}
    return sum(_compile(Path(spec.origin).with_name(file), vendor / name, name) for file, name in names.items())


def _compile_templates(folders: Sequence[Path], into: Path) -> None:
    jinja = environment(*folders, compiled=TemplateCache(into, fill=True))
    try:
        for name in jinja.list_templates(extensions=["txt", "html"]):
            jinja.get_template(name)
        pages = console_pages(TemplateCache(into, fill=True))
        for name in pages.list_templates(extensions=["html"]):
            pages.get_template(name)
    except (TemplateError, UnicodeDecodeError) as error:
        raise PackagingError(f"a template cannot be compiled: {error}; run .venv/bin/dropnote check to see which") from error


def _replace(old: Path, new: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(new, old)
