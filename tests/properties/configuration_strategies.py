"""Strategies for valid configurations and for changes between two of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from exporter.config.loader import parse_config
from exporter.config.sections import Account, Config, Watch
from exporter.kinds.registry import KINDS
from tests.properties.aws_model import OWN
from tests.properties.scrape_invariants import KINDS_BY_NAME

IDS = ("op-1", "op-2")
# One account with a role, the account of the credentials, and a second name for the latter.
ACCOUNTS: Mapping[str, Mapping[str, str]] = {
    "assumed": {"role_arn": "arn:aws:iam::111122223333:role/exporter"},
    "own": {"account_id": OWN},
    "twin": {},
}
NUMBERS = {"assumed": "111122223333", "own": OWN, "twin": OWN}
BROKEN = (
    "accounts: [",
    "accounts: 7",
    "refresh: {min_age: 1}",
    "accounts: [{external_id: secret-value}]",
    "accounts: [{name: own}, {name: own}]",
    "\ud800",
    "labels: {tags: [a, a]}",
)


@dataclass(frozen=True, slots=True)
class ConfigCase:
    """A valid configuration: its content, its text, and the parsed result."""

    document: Mapping[str, Any]
    text: str
    config: Config

    @property
    def cells(self) -> frozenset[tuple[str, str, str]]:
        """The cells, by account, Region and kind."""
        return frozenset((account.name, region, watch.kind) for account, region, watch in self.watches())

    def watches(self) -> list[tuple[Account, str, Watch]]:
        """Return the watches of each Region of each account."""
        return [
            (account, region, watch)
            for account in self.config.accounts
            for region in account.regions
            for watch in account.watch
        ]


def _watch(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    active = sorted(KINDS_BY_NAME[kind].active)
    rules = [True, {"statuses": active}, {"max_operations": 1}, {"id_pattern": "1$"}, {"max_age": "1h"}]
    options = {option.name: st.booleans() for option in KINDS_BY_NAME[kind].options}
    named: dict[str, st.SearchStrategy[Any]] = {"ids": st.lists(st.sampled_from(IDS), min_size=1, unique=True)}
    found: dict[str, st.SearchStrategy[Any]] = {"discover": st.sampled_from(rules)}
    sources = (found, named, {**named, **found})
    return st.one_of([st.fixed_dictionaries({"kind": st.just(kind), **source}, optional=options) for source in sources])


_ANY_WATCH = st.sampled_from(sorted(KINDS_BY_NAME)).flatmap(_watch)
_WATCHES = st.lists(_ANY_WATCH, min_size=1, max_size=2, unique_by=lambda watch: watch["kind"])
_NAMES = st.sampled_from([("own",), ("assumed",), ("own", "twin"), ("assumed", "own")])
_REGIONS = st.sampled_from([["eu-west-1"], ["eu-west-1"], ["us-east-1", "eu-west-1"]])


def _accounts(names: tuple[str, ...], regions: list[str], watch: list[Any]) -> list[dict[str, Any]]:
    """Return accounts with equal watches. The data of one account must not leak into another."""
    return [{"name": name, **ACCOUNTS[name], "regions": regions, "watch": watch} for name in names]


_SECTIONS: Mapping[str, st.SearchStrategy[Any]] = {
    "accounts": st.builds(_accounts, _NAMES, _REGIONS, _WATCHES),
    "refresh": st.fixed_dictionaries(
        {
            "min_age": st.sampled_from(["5s", "10s"]),
            "deadline": st.sampled_from(["1s", "9s"]),
            "stale_after": st.sampled_from(["30s", "10m"]),
        }
    ),
    "aws": st.fixed_dictionaries(
        {"max_attempts": st.just(1), "read_timeout": st.sampled_from(["2s", "4s"])},
        optional={"api_budget": st.sampled_from([0.1, 1.0])},
    ),
    "labels": st.fixed_dictionaries({"tags": st.sampled_from([[], ["team"], ["team", "site"]])}),
}


def _config_case(document: Mapping[str, Any]) -> ConfigCase:
    text = yaml.safe_dump(document, sort_keys=False)
    return ConfigCase(document, text, parse_config(text, KINDS))


config_cases: st.SearchStrategy[ConfigCase] = st.fixed_dictionaries(dict(_SECTIONS)).map(_config_case)


def next_config_case(case: ConfigCase) -> st.SearchStrategy[ConfigCase]:
    """Give a configuration that differs from another one in at most one section."""

    def with_section(name: str) -> st.SearchStrategy[ConfigCase]:
        return _SECTIONS[name].map(lambda section: _config_case({**case.document, name: section}))

    return st.just(case) | st.sampled_from(sorted(_SECTIONS)).flatmap(with_section) | _narrower(case)


def _narrower(case: ConfigCase) -> st.SearchStrategy[ConfigCase]:
    """Give a configuration that watches less than another one."""
    accounts = case.document["accounts"]
    fewer = [accounts[:1], accounts[-1:], [{**account, "watch": account["watch"][:1]} for account in accounts]]
    return st.sampled_from(fewer).map(lambda left: _config_case({**case.document, "accounts": left}))
