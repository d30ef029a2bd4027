"""Together the shards have every scope, no two shards have the same one, and an added shard moves few scopes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector.shards import items_of_shard, process_shard
from exporter.core.errors import ConfigError
from exporter.core.model import Shard

names = st.lists(st.text(min_size=1, max_size=30), unique=True, max_size=60)
totals = st.integers(1, 40)


@given(names, totals)
def test_every_scope_is_on_exactly_one_shard(scopes: list[str], total: int) -> None:
    shards = [items_of_shard(scopes, str, Shard(ordinal, total)) for ordinal in range(total)]
    assert sorted(name for shard in shards for name in shard) == sorted(scopes)


@given(names, totals)
def test_an_added_shard_takes_scopes_and_moves_none_between_the_others(scopes: list[str], total: int) -> None:
    for ordinal in range(total):
        before = items_of_shard(scopes, str, Shard(ordinal, total))
        after = items_of_shard(scopes, str, Shard(ordinal, total + 1))
        assert set(after) <= set(before)


@pytest.mark.parametrize("total", [1, 2, 3, 9, 24])
def test_an_added_shard_takes_about_its_share(total: int) -> None:
    scopes = [f"{account:012d}/eu-west-{region}" for account in range(1000) for region in range(1, 4)]
    moved = len(items_of_shard(scopes, str, Shard(total, total + 1)))
    assert moved == pytest.approx(len(scopes) / (total + 1), rel=0.3)


@pytest.mark.parametrize(
    ("ordinal", "total", "environment", "host", "shard"),
    [
        (None, None, {}, "laptop-7", Shard(0, 1)),
        (None, 4, {}, "exporter-3", Shard(3, 4)),
        (None, None, {"SHARD_TOTAL": "4"}, "exporter-0", Shard(0, 4)),
        (None, None, {"SHARD_TOTAL": "4", "SHARD_ORDINAL": "2"}, "exporter-0", Shard(2, 4)),
        (1, 2, {"SHARD_TOTAL": "4", "SHARD_ORDINAL": "3"}, "exporter-0", Shard(1, 2)),
        (0, None, {"SHARD_TOTAL": ""}, "host", Shard(0, 1)),
    ],
)
def test_flags_take_precedence_over_the_environment_and_that_over_the_host_name(
    ordinal: int | None, total: int | None, environment: dict[str, str], host: str, shard: Shard
) -> None:
    assert process_shard(ordinal, total, environment, host) == shard


@pytest.mark.parametrize(
    ("ordinal", "total", "environment", "host", "problem"),
    [
        (None, 4, {}, "host", "--shard.ordinal: missing"),
        (4, 4, {}, "host", "--shard.ordinal: 4 must be less than"),
        (1, None, {}, "host", "--shard.ordinal: 1 must be less than"),
        (None, 4, {}, "exporter-9", "--shard.ordinal: 9 must be less than"),
        (0, None, {"SHARD_TOTAL": "many"}, "host", "SHARD_TOTAL: expected a whole number from 1 to 1000"),
        (None, 2, {"SHARD_ORDINAL": "-1"}, "exporter-1", "SHARD_ORDINAL: expected a whole number from 0 to 1000"),
    ],
)
def test_an_invalid_shard_is_refused(
    ordinal: int | None, total: int | None, environment: dict[str, str], host: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        process_shard(ordinal, total, environment, host)
