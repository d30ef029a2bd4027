"""The folder of the repository, and the programs that the virtual environment does not contain.

Users may lack these programs, the project's own CI may not.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]


def program(name: str, environment: str = "") -> str:
    """Return the path of a program. Skip the test if the program is missing, or fail it in CI.

    ``environment`` is the virtual environment in which ``make test`` installs the program.
    """
    path = shutil.which(name, path=str(ROOT / environment / "bin") if environment else None)
    where = f" in {environment}" if environment else ""
    return path or skip_or_fail(f"the program {name} is not installed{where}")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test because of a missing program, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def processes_of(text: Path | str) -> dict[int, str]:
    """Return the commands of all processes that have a folder or another text in an argument, by process id."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        # The process may end at any time.
        with suppress(FileNotFoundError, ProcessLookupError):
            found[int(file.parent.name)] = file.read_bytes().replace(b"\0", b" ").decode()
    return {id: command for id, command in found.items() if str(text) in command}
