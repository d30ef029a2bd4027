"""Programs that are not Python packages: a stranger may lack them, the project's own CI may not."""

from __future__ import annotations

import os
import shutil

import pytest


def program(*names: str) -> str:
    """Return the path of the first of these that is installed; without one skip the test, or fail it when CI is set."""
    for name in names:
        if path := shutil.which(name):
            return path
    reason = f"the program {' or '.join(names)} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
