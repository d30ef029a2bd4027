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


ACCOUNT = "accounts: [{name: factory, regions: [eu-west-1]}]"


def started_shard(ordinal: int, text: str = ACCOUNT) -> tuple[Exporter, io.StringIO]:
    """Return a shard of a configuration, by default with one account and Region, and its warnings."""
    log = io.StringIO()
    with aws_environment("http://127.0.0.1:1"):
        exporter = new_exporter(
            parse_config(text, KINDS), KINDS, new_log("warn", stream=log), shard=Shard(ordinal, SHARDS)
        )
    return exporter, log


def test_a_shard_without_an_account_and_region_warns_at_its_start_and_at_each_reload() -> None:
    for ordinal in range(SHARDS):
        exporter, log = started_shard(ordinal)
        expected = 0 if exporter.runtime.cells else 1
        assert log.getvalue().count(WARNING.format(ordinal)) == expected
        asyncio.run(exporter.reload())
        assert log.getvalue().count(WARNING.format(ordinal)) == 2 * expected


def test_no_shard_warns_before_the_accounts_of_its_organization_are_read() -> None:
    for ordinal in range(SHARDS):
        exporter, log = started_shard(ordinal, "organizations: [{role_name: exporter}]")
        assert exporter.runtime.cells == ()
        assert log.getvalue() == ""


def test_exactly_one_shard_of_two_is_empty_with_one_account_and_region() -> None:
    assert sorted(bool(started_shard(ordinal)[0].runtime.cells) for ordinal in range(SHARDS)) == [False, True]
