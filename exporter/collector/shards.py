"""Shards: which process watches which scopes, without any of them talking to another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from exporter.core.errors import ConfigError
from exporter.core.model import Shard

T = TypeVar("T")

ORDINAL, TOTAL = "SHARD_ORDINAL", "SHARD_TOTAL"
"""The environment's names for what the flags leave out."""
MOST = 1000


def chosen_shard(ordinal: int | None, total: int | None, environment: Mapping[str, str], host: str) -> Shard:
    """Return the shard that flags, environment and host name choose, in this order; by default the only one.

    The host name is that of a StatefulSet's pod, ``exporter-3``. Raises ConfigError.
    """
    problems: list[str] = []
    total = _from(environment, TOTAL, 1, problems) if total is None else total
    ordinal = _from(environment, ORDINAL, 0, problems) if ordinal is None else ordinal
    if ordinal is None and (total or 1) > 1:
        pod = re.search(r"-(\d{1,4})$", host)
        ordinal = int(pod[1]) if pod else None
        if pod is None:
            problems.append(f"--shard.ordinal: is missing; neither {ORDINAL} nor the host name tells it")
    shard = Shard(ordinal or 0, total or 1)
    if shard.ordinal >= shard.total:
        problems.append(f"--shard.ordinal: {shard.ordinal} is not below --shard.total, which is {shard.total}")
    if problems:
        raise ConfigError(problems)
    return shard


def of_shard(items: Sequence[T], name: Callable[[T], str], shard: Shard) -> tuple[T, ...]:
    """Return the items whose names belong to a shard. One more shard moves items to it, and none between the others."""
    return tuple(item for item in items if _shard_of(name(item), shard.total) == shard.ordinal)


def _shard_of(name: str, total: int) -> int:
    """Lamping and Veach's jump consistent hash, arXiv:1406.2294."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    shard, jump = 0, 0
    while jump < total:
        shard = jump
        key = (key * 2862933555777941757 + 1) % 2**64
        jump = int((shard + 1) * 2**31 / ((key >> 33) + 1))
    return shard


def _from(environment: Mapping[str, str], name: str, least: int, problems: list[str]) -> int | None:
    text = environment.get(name, "")
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,4}", text) and least <= int(text) <= MOST:
        return int(text)
    problems.append(f"{name}: expected a whole number from {least} to {MOST}")
    return None
