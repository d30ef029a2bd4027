"""Programs that this environment does not bring: a stranger may lack them, the project's own CI may not."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from tests.support.repository import ROOT


def program(name: str, environment: str = "") -> str:
    """Return the path of a program; skip the test where it is missing, or fail it when CI is set.

    ``environment`` is the folder of the virtual environment that ``make test`` installs it in, apart from all others.
    """
    path = shutil.which(name, path=str(ROOT / environment / "bin") if environment else None)
    where = f" in {environment}" if environment else ""
    return path or skip_or_fail(f"the program {name} is not installed{where}")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test for what the machine lacks, or fail it when CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
