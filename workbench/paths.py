"""Where files are in a checkout, and where set-up and runs store theirs."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".dropnote"  # created by set-up, ignored by git
MINISTACK_PYTHON = STATE / "ministack" / "bin" / "python"
WHEELS = STATE / "wheels"
PACKAGES = STATE / "packages"  # Lambda zips of earlier deploys, reused while the code is the same

# AWS's runtime client with Lambda's own boto3, in a separate environment; set-up creates it for the extra `runtime`.
RUNTIME = STATE / "runtime"
RUNTIME_PYTHON = RUNTIME / "bin" / "python"
RUNTIME_EMULATOR = RUNTIME / "aws-lambda-rie"

# What `make bench` compares with: `powertools`, installed, and `wheels` for the tutorial bot's zip.
BENCH = STATE / "bench"
