"""Taplo, a TOML language server: an independent validator of settings against the schema that their first line names."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("taplo")


def invalid_files(*files: Path) -> set[str]:
    """The names of the files that do not follow their schema."""
    return {file for file, _, _ in diagnostics(*files)}


def diagnostics(*files: Path) -> list[tuple[str, int, str]]:
    """What an editor underlines: file, line and message."""
    command = [str(PROGRAM), "lint", "--no-auto-config", "--colors", "never", *map(str, files)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=files[0].parent)
    assert "schema was not found" not in result.stderr, result.stderr
    # From the diagnostics: the last lines of the log are missing now and then.
    found = re.findall(r"^error: (.+)\n +┌─ (.+?):(\d+):\d+", result.stderr, re.MULTILINE)
    assert bool(found) == (result.returncode != 0), result.stderr
    return [(Path(path).name, int(line), message) for message, path, line in found]
