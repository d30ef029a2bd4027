"""Every budget of the process, by account, Region and API."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.aws.budget import Budget, TokenBucket
from exporter.core.clock import Clock
from exporter.kinds.kind import ApiCall
from exporter.metrics.self_metrics import BudgetKey


class Budgets:
    """Budgets, made on first use and never forgotten: no change of the configuration fills a bucket anew."""

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._budgets: dict[BudgetKey, Budget] = {}
        self._buckets: dict[BudgetKey, TokenBucket] = {}

    def of(self, account_id: str, region: str, call: ApiCall) -> Budget:
        """Return the budget of an API."""
        key = (account_id, region, call.service, call.quota_name)
        if key not in self._budgets:
            self._budgets[key] = Budget(TokenBucket(call.quota, self._share, self._clock), self._clock)
        self._buckets[account_id, region, call.service, call.name] = self._budgets[key].bucket
        return self._budgets[key]

    def bucket(self, account_id: str, region: str, service: str, api: str) -> TokenBucket | None:
        """Return the bucket that an attempt counts against; None for what has no budget, as STS."""
        return self._buckets.get((account_id, region, service, api))

    def share(self, share: float) -> None:
        """Allow another share of each quota from now on."""
        self._share = share
        for budget in self._budgets.values():
            budget.bucket.share(share)

    def ratios(self) -> Mapping[BudgetKey, float]:
        """Return the share of AWS's quota that may be used now, of every budget. May be called from any thread."""
        return {key: budget.bucket.ratio for key, budget in list(self._budgets.items())}
