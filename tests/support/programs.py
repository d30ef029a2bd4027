"""Programs that are not Python packages: a stranger may lack them, the project's own CI may not."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """Return the path of a program; skip the test where it is missing, or fail it when CI is set."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"the program {name} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
