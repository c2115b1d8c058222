"""Where things are in a checkout, and what set-up and runs keep beside them."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".dropnote"


"""Made by set-up, ignored by git."""


MINISTACK_PYTHON = STATE / "ministack" / "bin" / "python"
WHEELS = STATE / "wheels"
PACKAGES = STATE / "packages"


"""Lambda zips of earlier deploys, to be reused when the code is the same."""


RUNTIME = STATE / "runtime"


"""AWS's runtime client with Lambda's own boto3, in an environment of its own; set-up makes it when asked for `runtime`."""


RUNTIME_PYTHON = RUNTIME / "bin" / "python"
RUNTIME_EMULATOR = RUNTIME / "aws-lambda-rie"
BENCH = STATE / "bench"


"""What `make bench` compares with: `powertools`, installed, and `wheels` for the tutorial's zip."""
