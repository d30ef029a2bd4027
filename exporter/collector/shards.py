"""Shards: which process watches which scopes. The processes do not communicate."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from exporter.core.errors import ConfigError
from exporter.core.model import Shard

T = TypeVar("T")

# The environment variables that replace missing flags.
ORDINAL, TOTAL = "SHARD_ORDINAL", "SHARD_TOTAL"
MOST = 1000


def process_shard(ordinal: int | None, total: int | None, environment: Mapping[str, str], host: str) -> Shard:
    """Return the shard of this process from its flags, its environment or its host name, in this order.

    The default is the only shard. The host name of a StatefulSet pod ends with the ordinal: ``exporter-3``. Raises
    ConfigError.
    """
    problems: list[str] = []
    total = _number(environment, TOTAL, 1, problems) if total is None else total
    ordinal = _number(environment, ORDINAL, 0, problems) if ordinal is None else ordinal
    if ordinal is None and (total or 1) > 1:
        pod = re.search(r"-(\d{1,4})$", host)
        ordinal = int(pod[1]) if pod else None
        if pod is None:
            problems.append(f"--shard.ordinal: missing, and neither {ORDINAL} nor the host name contains it")
    shard = Shard(ordinal or 0, total or 1)
    if shard.ordinal >= shard.total:
        problems.append(f"--shard.ordinal: {shard.ordinal} must be less than --shard.total ({shard.total})")
    if problems:
        raise ConfigError(problems)
    return shard


def items_of_shard(items: Sequence[T], name: Callable[[T], str], shard: Shard) -> tuple[T, ...]:
    """Return the items whose names belong to a shard. An added shard takes items and moves none between the others."""
    return tuple(item for item in items if _shard_ordinal(name(item), shard.total) == shard.ordinal)


def _shard_ordinal(name: str, total: int) -> int:
    """Return the ordinal by the jump consistent hash of Lamping and Veach, arXiv:1406.2294."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    shard, jump = 0, 0
    while jump < total:
        shard = jump
        key = (key * 2862933555777941757 + 1) % 2**64
        jump = int((shard + 1) * 2**31 / ((key >> 33) + 1))
    return shard


def _number(environment: Mapping[str, str], name: str, minimum: int, problems: list[str]) -> int | None:
    text = environment.get(name, "")
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,4}", text) and minimum <= int(text) <= MOST:
        return int(text)
    problems.append(f"{name}: expected a whole number from {minimum} to {MOST}")
    return None
