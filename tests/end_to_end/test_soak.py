"""The load test of ``make soak`` for seconds instead of minutes, with hundreds instead of thousands."""

import pytest

from benchmarks.soak.parts import PARTS
from benchmarks.soak.sizes import SHORT


@pytest.mark.parametrize("name", PARTS)
def test_under_load_nothing_is_lost_doubled_or_left_behind(name: str) -> None:
    _, run = PARTS[name]
    result = run(SHORT)
    assert not result.failures, result.report
