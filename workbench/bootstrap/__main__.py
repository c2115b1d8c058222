"""Run set-up: `python3 -m workbench.bootstrap [dev] [runtime] [bench]`."""

import sys

from .setup import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
