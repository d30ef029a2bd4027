"""The number of examples of each property: few and always equal, or many new ones with PROPERTIES_TIMES."""

import os
from typing import Any

from hypothesis import HealthCheck, settings

# The factor of the number of examples. With 1, as in continuous integration, all runs have equal examples.
TIMES = int(os.environ.get("PROPERTIES_TIMES", "1"))


def settings_for(examples: int, **more: Any) -> settings:
    """Return hypothesis settings for this number of examples in continuous integration."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize=TIMES == 1,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        **more,
    )
