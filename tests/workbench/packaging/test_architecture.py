"""A stage for arm64: the zip and vendor/ are made of wheels for that architecture and the Python in use, and of no others."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from chalice.config import Config

from tests.support.checkouts import copy_project, run_python, variables_of
from workbench.deployment.grants import StageLocation
from workbench.deployment.setup import Setup
from workbench.packaging.build import MACHINES, PackagingError, download_wheels, host_architecture
from workbench.paths import PROJECT, WHEELS

ELF_MACHINES = {"x86_64": 62, "arm64": 183}  # System V ABI, e_machine: EM_X86_64, EM_AARCH64
LOCATION = StageLocation("dev", "123456789012", "eu-west-1")


def shared_object(arch: str) -> bytes:
    """The first bytes of a compiled module."""
    return b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + ELF_MACHINES[arch].to_bytes(2, "little")


def architecture_of(compiled: bytes) -> int:
    return int.from_bytes(compiled[18:20], "little")


def twin(wheel: Path, arch: str, glibc: int, folder: Path) -> None:
    """Copy a compiled wheel for another architecture: its tags and what its compiled modules begin with."""
    tags = wheel.stem.split("-")[:-1]
    target = folder / f"{'-'.join(tags)}-manylinux_2_{glibc}_{MACHINES[arch]}.whl"
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, shared_object(arch) if name.endswith(".so") else source.read(name))


def fill(folder: Path, glibc: int = 26) -> Path:
    """Fill a folder with the zip's wheels for both architectures."""
    folder.mkdir(parents=True)
    for wheel in WHEELS.glob("*.whl"):
        if wheel.stem.endswith("-any"):
            (folder / wheel.name).symlink_to(wheel)
        else:
            for arch in MACHINES:
                twin(wheel, arch, glibc, folder)
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("index") / "wheels")


def offline(wheels: Path) -> dict[str, str]:
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stage dev is for arm64."""
    checkout = copy_project(tmp_path_factory.mktemp("arm") / "checkout")
    config = json.loads((checkout / ".chalice/config.json").read_text())
    config["stages"]["dev"]["lambda_architecture"] = "arm64"
    (checkout / ".chalice/config.json").write_text(json.dumps(config))
    setup = Setup(checkout, "dev", lambda service: None)
    variables = setup.variables()
    setup.write(setup.settings(variables), variables, LOCATION)
    return checkout


def test_zip_has_only_wheels_of_the_architecture(project: Path, wheels: Path) -> None:
    """Built as `chalice deploy` builds it, from an index that has both."""
    command = [str(Path(sys.executable).with_name("chalice")), "package", "--pkg-format", "terraform", "--stage", "dev", "out"]
    environment = variables_of(project) | offline(wheels)
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(project / "out/deployment.zip") as package:
        compiled = {name: package.read(name) for name in package.namelist() if name.endswith(".so")}
        assert {name.partition("/")[0] for name in compiled} >= {"msgspec", "markupsafe", "regex"}
    assert {architecture_of(module) for module in compiled.values()} == {ELF_MACHINES["arm64"]}
    functions = json.loads((project / "out/chalice.tf.json").read_text())["resource"]["aws_lambda_function"].values()
    assert {function["architectures"][0] for function in functions} == {"arm64"}
    assert {function["runtime"] for function in functions} == {Config.create().lambda_python_version}


def test_compiled_code_is_that_of_the_same_wheels(project: Path, wheels: Path) -> None:
    result = run_python(project, "-m", "workbench.cli.main", "package", "--stage", "dev", **offline(wheels))
    assert (result.returncode, "for arm64" in result.stdout) == (0, True), result.stderr
    stamp = json.loads((project / "vendor/dropnote-vendor.json").read_text())
    assert stamp == {"python": list(sys.version_info[:2]), "arch": "arm64"}
    shutil.rmtree(project / "vendor")


@pytest.mark.parametrize("arch", list(MACHINES))
def test_wheels_of_one_architecture_are_downloaded(
    arch: str, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in offline(wheels).items():
        monkeypatch.setenv(name, value)
    download_wheels(PROJECT, arch, tmp_path)
    names = {wheel.stem.rpartition("-")[2] for wheel in tmp_path.glob("*.whl")}
    assert names == {"any", f"manylinux_2_26_{MACHINES[arch]}"}
    assert len(list(tmp_path.glob("*.whl"))) == len(list(WHEELS.glob("*.whl")))


def test_wheel_that_does_not_load_in_lambda_is_refused_before_a_deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chalice prints a warning and deploys without the package."""
    for name, value in offline(fill(tmp_path / "new", glibc=35)).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PackagingError, match="could not download the packages for arm64: ERROR: No matching distribution found"):
        download_wheels(PROJECT, "arm64", tmp_path)


def test_unknown_architecture_is_named(project: Path, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="lambda_architecture is 'arm'; use one of x86_64, arm64"):
        download_wheels(project, "arm", tmp_path)
    assert host_architecture() in MACHINES
