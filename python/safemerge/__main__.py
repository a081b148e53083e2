"""Runs the command line: `python -m safemerge merge BASE ADAPTER --output OUTPUT`."""

import os
import sys
from typing import NoReturn

from ._program import program


def main() -> NoReturn:
    """Replaces this process with the program, so that signals and the exit code are the program's own."""
    path = program()
    os.execv(path, ["safemerge", *sys.argv[1:]])


if __name__ == "__main__":
    main()
