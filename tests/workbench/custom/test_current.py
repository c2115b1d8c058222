"""The list of shipped templates, by which `dropnote init --from-current` tells the user's templates from ours."""

from chalicelib.rendering.templates import TEMPLATES
from workbench.custom.current import current_files
from workbench.paths import PROJECT


def test_list_has_every_template_as_it_is_now() -> None:
    """If this fails, a template changed: run .venv/bin/python -m workbench.custom.current chalicelib/templates"""
    assert TEMPLATES == PROJECT / "chalicelib" / "templates"
    assert set(current_files(PROJECT)) == {"dropnote.toml", "config.json"}
