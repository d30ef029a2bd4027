"""The way to AWS: each call waits for its budget, is made by a worker before its deadline, and fails as an ApiError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from botocore import xform_name

from exporter.aws.budget import Budget, Priority
from exporter.aws.budgets import Budgets
from exporter.aws.clients import AccountClients, Clients
from exporter.aws.errors import translate
from exporter.aws.models import Models
from exporter.aws.shared_responses import SharedAnswers
from exporter.aws.workers import Workers
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import EndlessListError, Reason, malformed
from exporter.core.model import Scope
from exporter.kinds.kind import ApiCall
from exporter.kinds.response import Answer
from exporter.metrics.self_metrics import ApiMetrics

T = TypeVar("T")

AT_ONCE = 8
"""Calls at once in one cell: enough for 15 calls a second at half a second each."""
CONNECTIONS = 4 * AT_ONCE
"""Connections that a client keeps: several kinds share the client of iot."""
MOST_PAGES = 1000
"""Pages of one list, 250,000 tasks: more is a list that never ends."""


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What a gateway shares with the one after it: quotas and threads are the process's, whatever it watches."""

    budgets: Budgets
    workers: dict[tuple[str, str, str], Workers]
    clients: Clients


class Gateway:
    """AWS for one configuration: clients, budgets by (account, Region, API), workers by cell.

    An answer that kinds share counts as fresh for ``fresh_seconds``. ``means`` are those of the gateway before.
    """

    def __init__(
        self,
        models: Models,
        settings: Aws,
        metrics: ApiMetrics,
        clock: Clock,
        fresh_seconds: float = 0.0,
        means: SharedResources | None = None,
    ) -> None:
        self.models = models
        self.shared = SharedAnswers(fresh_seconds, clock)
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._shared_resources = means or _shared_resources(models, settings, metrics, clock)
        self._identifying: dict[tuple[str, str], asyncio.Task[tuple[AccountClients, str]]] = {}
        self._cells: dict[tuple[str, str, str], ScopeApi] = {}
        self.budgets = self._shared_resources.budgets
        self.default_region = self._shared_resources.clients.default_region

    def renewed(self, settings: Aws, accounts: Iterable[Account], fresh_seconds: float) -> Gateway:
        """Return the gateway of the next configuration, with these budgets and workers, which take its share at once.

        Clients and credentials of accounts stay where neither the account nor a time-out changed.
        """
        means = self._shared_resources
        means.budgets.share(settings.api_budget)
        means.clients.keep(accounts)
        if not means.clients.fit(settings):
            means = replace(means, clients=_clients(self.models, settings, self._metrics, self._clock, self.budgets))
        return Gateway(self.models, settings, self._metrics, self._clock, fresh_seconds, means)

    def use(self, clients: AccountClients, function: Callable[[], T]) -> T:
        """Return what a function gives that calls AWS with an account's clients, and blocks."""
        return self._shared_resources.clients.use(clients, function)

    @property
    def deadline(self) -> float:
        """Seconds that one call may take with all its attempts: botocore's time-outs start anew with every read."""
        return self._settings.max_attempts * (self._settings.connect_timeout + self._settings.read_timeout)

    async def connect(self, account: Account, region: str, kind: str) -> ScopeApi:
        """Return AWS as seen by one cell, with the account's number. Raises ApiError."""
        known = self._cells.get((account.name, region, kind))
        if known and not known.clients.are_refused:
            return known
        asked = self._identifying.get((account.name, region))
        if asked is None or asked.done():
            asked = asyncio.create_task(self._identify(account, region))
            self._identifying[account.name, region] = asked
        clients, account_id = await asyncio.shield(asked)
        workers = self._workers(account, region, kind)
        api = ScopeApi(self, Scope(account.name, account_id, region), kind, clients, workers, (0, 0.0))
        self._cells[account.name, region, kind] = api
        return api

    async def _identify(self, account: Account, region: str) -> tuple[AccountClients, str]:
        """Learn the account's number, once for all kinds of a scope."""

        def identify() -> tuple[AccountClients, str]:
            clients = self._shared_resources.clients.of(account)
            return clients, self.use(clients, partial(clients.account_id, region))

        return await self.run(self._workers(account, region, ""), identify)

    def _workers(self, account: Account, region: str, kind: str) -> Workers:
        return self._shared_resources.workers.setdefault((account.name, region, kind), Workers(AT_ONCE))

    async def run(self, workers: Workers, function: Callable[[], T]) -> T:
        """Return what a blocking function gives. Raises ApiError."""
        try:
            return await workers.run(function, self.deadline)
        except Exception as error:
            raise translate(error) from None


def _shared_resources(models: Models, settings: Aws, metrics: ApiMetrics, clock: Clock) -> SharedResources:
    budgets = Budgets(settings.api_budget, clock)
    return SharedResources(budgets, {}, _clients(models, settings, metrics, clock, budgets))


def _clients(models: Models, settings: Aws, metrics: ApiMetrics, clock: Clock, budgets: Budgets) -> Clients:
    def recorder(account_id: str, region: str) -> ScopeRecorder:
        return ScopeRecorder(budgets, metrics, account_id, region)

    return Clients(models, settings, CONNECTIONS, recorder, clock)


@dataclass(frozen=True, slots=True)
class ScopeApi:
    """AWS in one scope: what a kind's ``Api`` is. ``priority`` says how urgent its calls are."""

    gateway: Gateway
    scope: Scope
    kind: str
    clients: AccountClients
    workers: Workers
    priority: Priority

    def urgent(self, priority: Priority) -> ScopeApi:
        """Return the same scope for calls of another priority."""
        return replace(self, priority=priority)

    async def call(self, call: ApiCall, **parameters: Any) -> Answer:
        """Return the answer to one call, made when the budget allows it. Raises ApiError."""
        if not call.shared:
            return await self._call(call, parameters)
        question = (self.scope, call, tuple(sorted(parameters.items())))
        return await self.gateway.shared.get(question, self.kind, lambda: self._call(call, parameters))

    async def _call(self, call: ApiCall, parameters: Mapping[str, Any]) -> Answer:
        scope = self.scope
        await self._turn(self.gateway.budgets.of(scope.account_id, scope.region, call))

        def send() -> Answer:
            client = self.clients.client(call.service, scope.region, scope.account_id)
            answer: Answer = getattr(client, xform_name(call.name))(**parameters)
            return answer

        return await self.gateway.run(self.workers, partial(self.gateway.use, self.clients, send))

    async def _turn(self, budget: Budget) -> None:
        """Wait for a token while there is a place: a token that waits for one would be spent in a later burst."""
        await budget.acquire(self.priority)
        while not self.workers.has_place:
            budget.bucket.refund()
            await self.workers.place(self.gateway.deadline)
            await budget.acquire(self.priority)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Answer]:
        """Give a list's pages. Raises ApiError, ``malformed`` for a list that is missing, repeats or never ends."""
        members = self.gateway.models.pagination(call)
        tokens: list[Any] = []
        while len(tokens) < MOST_PAGES:
            asked = {members.input_token: tokens[-1]} if tokens else {}
            page = await self.call(call, **parameters, **asked)
            if not isinstance(page.get(members.result), list):
                raise malformed(f"{members.result} is missing")
            yield page
            token = page.get(members.output_token)
            if not token:
                return
            if token in tokens:
                raise malformed(f"{members.output_token} repeats")
            tokens.append(token)
        raise EndlessListError(f"more than {MOST_PAGES} pages")


@dataclass(frozen=True, slots=True)
class ScopeRecorder:
    """Counts the attempts of one scope, and lets its budgets pay for retries and feel throttling."""

    budgets: Budgets
    metrics: ApiMetrics
    account_id: str
    region: str

    def sent(self, service: str, api: str, retry: bool) -> None:
        """An attempt goes out; its first one was paid for before."""
        self.metrics.requests.labels(self.account_id, self.region, service, api).inc()
        bucket = self.budgets.bucket(self.account_id, self.region, service, api)
        if retry and bucket:
            bucket.charge()

    def answered(self, service: str, api: str, seconds: float, reason: Reason | None, code: str) -> None:
        """An attempt ended; throttling slows the API's budget down."""
        self.metrics.duration.labels(service, api).observe(seconds)
        if reason is None:
            return
        self.metrics.errors.labels(self.account_id, self.region, service, api, code).inc()
        bucket = self.budgets.bucket(self.account_id, self.region, service, api)
        if reason is Reason.THROTTLED and bucket:
            bucket.throttled()
