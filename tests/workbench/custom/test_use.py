"""A project with a folder of its own: every command, the package and the local deployment use it, and name the file they read."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chalicelib.rendering.templates import TemplateCache
from tests.support.checkouts import copy_project, dropnote, run_python, variables_of
from workbench.deployment.grants import StageLocation
from workbench.deployment.setup import Setup
from workbench.local.local_deploy import Target, make_folder
from workbench.packaging.build import build
from workbench.paths import WHEELS

LOCATION = StageLocation("dev", "123456789012", "eu-west-1")
PEOPLE = ("--person", "asha asha@example.com", "--bucket", "acme-own")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copied project that uses <project>/../mine, with an overridden and an added template."""
    checkout = copy_project(tmp_path_factory.mktemp("own") / "checkout")
    mine = checkout.parent / "mine"
    result = dropnote(checkout, "init", str(mine), *PEOPLE)
    assert result.returncode == 0, result.stderr
    for name, parts in {"upload": ("sms.txt",), "own": ("sms.txt", "subject.txt", "email.txt", "email.html")}.items():
        (mine / "templates" / name).mkdir()
        for part in parts:
            (mine / "templates" / name / part).write_text(f"my own {name}: {{{{ bot }}}}")
    return checkout


def mine(project: Path) -> Path:
    return project.parent / "mine"


def test_check_reads_it_and_names_its_files(project: Path) -> None:
    result = dropnote(project, "check")
    assert result.stdout.endswith(f"{mine(project)}/dropnote.toml: OK\n")
    assert "template own: sample SMS" in result.stdout


def test_errors_name_file_and_line(project: Path) -> None:
    settings, template = mine(project) / "dropnote.toml", mine(project) / "templates" / "own" / "sms.txt"
    correct, text = settings.read_text(), template.read_text()
    try:
        settings.write_text(correct.replace('"email:asha"', '"email:ben"'))
        template.write_text("line one\n{{ unknown_name }}")
        result = dropnote(project, "check")
        line = correct[: correct.index("notify =")].count("\n") + 1
        assert f"{settings}:{line}: [[rules]] 'uploads', notify: unknown" in result.stdout
        assert f"{template}:2: template own, sms.txt" in result.stdout
        assert "chalicelib/custom/dropnote.toml has errors" in run_python(project, "app.py").stderr
    finally:
        settings.write_text(correct)
        template.write_text(text)


def test_missing_folder_is_an_error_and_never_the_shipped_example(project: Path) -> None:
    away = mine(project).rename(project.parent / "moved")
    try:
        assert "dropnote.toml: the file does not exist" in dropnote(project, "check").stdout
        result = run_python(project, "app.py")
        assert (result.returncode, "chalicelib/custom/dropnote.toml has errors" in result.stderr) == (1, True)
    finally:
        away.rename(mine(project))


def test_preview_and_explain_use_it(project: Path) -> None:
    parts = json.loads(dropnote(project, "preview", "upload", "--json").stdout)
    assert "my own upload" in parts["sms.txt"]
    assert "my own" not in parts["email.txt"]  # a part that the user did not override
    (result,) = json.loads(dropnote(project, "explain", "s3://acme-own/a.pdf", "--json").stdout)
    assert (result["rule"], result["matches"]) == ("uploads", True)


def test_app_uses_the_values_of_the_stage_in_the_users_file(project: Path) -> None:
    program = "import app; print(app.settings.buckets)"
    result = run_python(project, "-c", program, DROPNOTE_STAGE="dev", UPLOAD_BUCKET="example-of-config-json")
    assert result.stdout == "('acme-own',)\n", result.stderr


def test_broken_config_is_named_by_the_app_and_by_commands(project: Path) -> None:
    config = mine(project) / "config.json"
    correct = config.read_text()
    try:
        config.write_text(correct.replace("}", "", 1))
        for result in (run_python(project, "app.py"), dropnote(project, "explain", "s3://acme-own/a.pdf")):
            assert (result.returncode, "config.json:" in result.stderr, "Traceback" in result.stderr) == (1, True, False)
        assert "invalid JSON" in dropnote(project, "check").stdout
    finally:
        config.write_text(correct)


def test_real_package_contains_the_current_files(project: Path) -> None:
    """A plain `chalice package`, as `chalice deploy` builds it: also a template that was added since the last command."""
    (mine(project) / "templates" / "late").mkdir(exist_ok=True)
    (mine(project) / "templates" / "late" / "sms.txt").write_text("late")
    setup = Setup(project, "dev", lambda service: None)
    variables = setup.variables()
    setup.write(setup.settings(variables), variables, LOCATION)
    command = [str(Path(sys.executable).with_name("chalice")), "package", "--pkg-format", "terraform", "--stage", "dev", "out"]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    result = subprocess.run(
        command, cwd=project, env=variables_of(project) | offline, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(project / "out" / "deployment.zip") as package:
        own = {name for name in package.namelist() if "/custom/" in name}
        assert package.read("chalicelib/custom/dropnote.toml") == (mine(project) / "dropnote.toml").read_bytes()
    shutil.rmtree(mine(project) / "templates" / "late")
    expected = {"dropnote.toml", "config.json", "templates/upload/sms.txt", "templates/late/sms.txt"}
    assert {f"chalicelib/custom/{name}" for name in expected} < own
    assert not [name for name in own if "README" in name or "deployed" in name]


def test_compiled_templates_are_those_of_the_user(project: Path) -> None:
    dropnote(project, "check")  # links new files
    build(project, WHEELS, "x86_64")
    cache = TemplateCache(project / "vendor" / "jinja-bytecode")
    compiled = (project / "vendor" / "jinja-bytecode" / cache.get_cache_key("upload/sms.txt")).read_bytes()
    assert b"my own upload" in compiled
    assert (project / "vendor" / "jinja-bytecode" / cache.get_cache_key("own/email.html")).exists()


def test_local_deployment_has_its_files_and_the_values_of_the_local_environment(project: Path, tmp_path: Path) -> None:
    target = Target("http://127.0.0.1:9", "http://127.0.0.1:9", environment={"UPLOAD_BUCKET": "replaced"})
    folder = make_folder(project, tmp_path, "local", target)
    assert (folder / "chalicelib/custom/dropnote.toml").read_text() == (mine(project) / "dropnote.toml").read_text()
    assert not (folder / "chalicelib/custom/dropnote.toml").is_symlink()
    setup = Setup(folder, "local", lambda service: None)
    assert setup.settings(setup.variables()).buckets == ("replaced",)


def test_update_of_the_project_leaves_the_folder_alone(project: Path, tmp_path: Path) -> None:
    """Every tracked file is replaced, as by `git checkout` or a new release; the next set-up needs no answers."""
    before = {file: file.read_bytes() for file in mine(project).rglob("*") if file.is_file()}
    fresh = copy_project(tmp_path / "fresh")
    for name in ("chalicelib/dropnote.toml", ".chalice/config.json"):
        (project / name).write_bytes((fresh / name).read_bytes())
    setup = Setup(project, "dev", lambda service: None)
    assert setup.settings(setup.variables()).buckets == ("acme-own",)
    assert dropnote(fresh, "init", str(mine(project))).returncode == 0  # a new release in another folder
    assert dropnote(fresh, "check").stdout.endswith(f"{mine(project)}/dropnote.toml: OK\n")
    assert {file: file.read_bytes() for file in mine(project).rglob("*") if file.is_file()} == before
