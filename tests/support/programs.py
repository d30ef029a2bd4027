"""Programs that are not Python packages: a stranger may lack them, the project's own CI may not."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Return the path of a program; skip the test where it is missing, or fail it when CI is set."""
    return shutil.which(name) or lacking(f"the program {name} is not installed")


def lacking(reason: str) -> NoReturn:
    """Skip the test for what the machine lacks, or fail it when CI is set."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
