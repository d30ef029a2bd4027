"""How much the properties are tried: the same few examples each time, or many new ones by PROPERTIES_TIMES."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

# How many times as many examples are tried as in continuous integration, which tries the same ones each time.
TIMES = int(os.environ.get("PROPERTIES_TIMES", "1"))


def tried(examples: int, **more: Any) -> settings:
    """Return the settings of a property of which so many examples are tried in continuous integration."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        **more,
    )
