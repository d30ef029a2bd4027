"""The warning of a shard to which no account and Region belongs."""

import asyncio
import io

from exporter.app.exporter import Exporter, new_exporter
from exporter.config.loader import parse_config
from exporter.core.log import new_log
from exporter.core.model import Shard
from exporter.kinds.registry import KINDS
from tests.support.exporter_server import aws_environment

WARNING = 'level=warn msg="no account and Region belongs to this shard; reduce the number of shards" shard={} shards=2'
SHARDS = 2


def started_shard(ordinal: int, level: str = "warn") -> tuple[Exporter, io.StringIO]:
    """Return a shard of a configuration with one account and Region, and its log of this level."""
    log = io.StringIO()
    config = parse_config("accounts: [{name: factory, regions: [eu-west-1]}]", KINDS)
    with aws_environment("http://127.0.0.1:1"):
        return new_exporter(config, KINDS, new_log(level, stream=log), shard=Shard(ordinal, SHARDS)), log


def test_a_shard_without_an_account_and_region_warns_at_its_start_and_at_each_reload() -> None:
    for ordinal in range(SHARDS):
        exporter, log = started_shard(ordinal)
        expected = 0 if exporter.runtime.cells else 1
        assert log.getvalue().count(WARNING.format(ordinal)) == expected
        asyncio.run(exporter.reload())
        assert log.getvalue().count(WARNING.format(ordinal)) == 2 * expected


def test_exactly_one_shard_of_two_is_empty_with_one_account_and_region() -> None:
    assert sorted(bool(started_shard(ordinal)[0].runtime.cells) for ordinal in range(SHARDS)) == [False, True]
