"""Where things are in a checkout, and what set-up and runs keep beside them."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".dropnote"
"""Made by set-up, ignored by git."""

MINISTACK_PYTHON = STATE / "ministack" / "bin" / "python"
WHEELS = STATE / "wheels"
PACKAGES = STATE / "packages"
"""Lambda zips of earlier deploys, to be reused when the code is the same."""
