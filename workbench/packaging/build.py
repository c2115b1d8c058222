"""`make package`: what makes cold starts quick, in `vendor/`, which Chalice adds to the zip's root as it is: compiled code,
compiled templates, and the descriptions of the AWS services we use.

Lambda's disk is read-only: without this, each cold start compiles all it imports anew. The compiled files are checked
against their sources when they are imported (PEP 552, hash-based .pyc files), so an outdated `vendor/` costs time and never
runs old code. Only modules that a message really needs are compiled: the zip grows by a tenth.
"""

import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from jinja2 import TemplateError

from chalicelib.platform import aws
from chalicelib.rendering.renderer import environment
from chalicelib.rendering.template_cache import CACHE_FOLDER, TemplateCache

from ..deployment.config import read_stage
from . import descriptions

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}  # Lambda's names and those of wheels
GLIBC = ("2_28", "2_26", "2_17", "2_12", "2_5")  # of Lambda's Amazon Linux 2 and older
STAMP = "dropnote-vendor.json"
_TRACER = Path(__file__).with_name("tracing.py")
_TRACE_S = 60


class PackagingError(Exception):
    """Nothing could be compiled. One sentence."""


@dataclass(frozen=True, slots=True)
class Built:
    """What `vendor/` has now."""

    theirs: int  # modules of packages
    ours: int
    bytes: int


def build(project: Path, wheels: Path, arch: str) -> Built:
    """Fill the project's `vendor/` from the wheels of that architecture, in a folder of their own.

    Raises:
        PackagingError: a wheel is missing or broken, or the app does not load.
    """
    with tempfile.TemporaryDirectory(prefix="dropnote-package-") as temp:
        site, made = Path(temp) / "site", Path(temp) / "vendor"
        found = sorted(wheels.glob("*.whl"))
        if not found:
            raise PackagingError(f"There are no packages in {wheels}: run `make setup`.")
        for wheel in found:
            zipfile.ZipFile(wheel).extractall(site)
        imported = trace(project)
        theirs = sum(_compile(site / name, made / name, name) for name in imported if (site / name).exists())
        theirs += _compile_chalice(made)
        ours = ["app.py", *(str(file.relative_to(project)) for file in sorted((project / "chalicelib").rglob("*.py")))]
        for name in ours:
            _compile(project / name, made / name, name)
        _compile_templates(project / "chalicelib" / "templates", made / CACHE_FOLDER.name)
        descriptions.write(made / aws.DATA.name)
        (made / STAMP).write_text(json.dumps({"python": list(sys.version_info[:2]), "arch": arch}) + "\n")
        size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
        _replace(project / "vendor", made)
    return Built(theirs, len(ours), size)


def trace(project: Path) -> list[str]:
    """The files, below a site-packages folder, of all that the app imports until a text and a mail have left.

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
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, timeout=_TRACE_S, check=False)
    if done.returncode != 0:
        raise PackagingError(f"The app does not load: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    found: list[str] = json.loads(done.stdout.splitlines()[-1])  # before it, what the bot logs
    return found


def download(project: Path, arch: str, into: Path) -> None:
    """Fetch the wheels that the zip has on that architecture.

    Raises:
        PackagingError: pip could not.
    """
    machine, (major, minor) = MACHINES[arch], sys.version_info[:2]
    platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"--platform=manylinux2014_{machine}"]
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--only-binary=:all:"),
        *("--implementation=cp", f"--python-version={major}.{minor}", f"--abi=cp{major}{minor}", *platforms),
        *("-r", str(project / "requirements.txt"), "-d", str(into)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackagingError(f"The packages for {arch} could not be had: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def _compile(source: Path, beside: Path, shown: str) -> bool:
    """Compile one file into the __pycache__ that goes with it; a file that is not Python is passed over."""
    if source.suffix != ".py":
        return False
    target = Path(cache_from_source(str(beside)))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    py_compile.compile(str(source), str(target), shown, doraise=True, invalidation_mode=mode)
    return True


def _compile_chalice(made: Path) -> int:
    """Chalice puts these two of its own files into each zip."""
    spec = find_spec("chalice")
    if spec is None or spec.origin is None:
        raise PackagingError("Chalice is not installed: run `make setup`.")
    names: Mapping[str, str] = {"__init__.py": "chalice/__init__.py", "app.py": "chalice/app.py"}
    return sum(_compile(Path(spec.origin).with_name(file), made / name, name) for file, name in names.items())


def _compile_templates(templates: Path, into: Path) -> None:
    jinja = environment(templates, compiled=TemplateCache(into, fill=True))
    try:
        for name in jinja.list_templates():
            jinja.get_template(name)
    except (TemplateError, UnicodeDecodeError) as error:
        raise PackagingError(f"A template cannot be compiled: {error}; .venv/bin/dropnote check tells which.") from error


def _replace(old: Path, new: Path) -> None:
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(new, old)
