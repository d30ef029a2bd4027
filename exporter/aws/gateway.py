"""Calls to AWS: each waits for its quota budget, runs in a worker thread with a deadline, and fails as an ApiError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from exporter.aws.budget import Budget, Budgets, Priority
from exporter.aws.call_context import Recorder
from exporter.aws.clients import AccountClients, ClientPool
from exporter.aws.models import Models
from exporter.aws.report_files import FileSettings, read_file
from exporter.aws.sdk_settings import endpoint_origins
from exporter.aws.workers import Workers
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import CONNECT_TIMEOUT, ApiError, EndlessListError, Reason, malformed
from exporter.core.model import Scope
from exporter.core.thread import Start, ThreadPool
from exporter.kinds.kind import ApiCall, Content, Kind
from exporter.kinds.response import Response
from exporter.metrics.self_metrics import ApiMetrics

# Calls of one cell at the same time: enough for 15 calls per second of half a second each.
AT_ONCE = 8
# Connections that a client keeps. Several kinds share the client of iot.
CONNECTIONS = 4 * AT_ONCE
# Pages of one list. 250,000 tasks fit on them, so a longer list has no end.
MAX_PAGES = 1000
# Files are read at the rate of the calls that list them. S3 itself allows much more.
FILE = ApiCall("s3", "GetObject", quota=10)
# Links may also lead to the configured endpoints of these services, such as those of a simulator.
SERVICES_OF_LINKS = ("iot", "s3")

CellWorkers = dict[tuple[str, str, str], Workers]


@dataclass(frozen=True, slots=True)
class SharedResources:
    """What consecutive gateways share: the quotas and threads belong to the process, not to a configuration."""

    budgets: Budgets
    start: Start
    clients: ClientPool
    workers: CellWorkers = field(default_factory=dict)

    def keep_workers(self, accounts: Collection[str]) -> None:
        """Remove the workers that run no call, except those of these accounts."""
        for key, workers in tuple(self.workers.items()):
            if key[0] not in accounts and workers.is_idle:
                del self.workers[key]


class Gateway:
    """AWS for one configuration: clients by account, budgets by API, workers by cell.

    A response that several kinds share is fresh for ``fresh_seconds``. ``shared`` is taken from the last gateway.
    """

    def __init__(
        self,
        models: Models,
        settings: Aws,
        metrics: ApiMetrics,
        clock: Clock,
        fresh_seconds: float = 0.0,
        shared: SharedResources | None = None,
    ) -> None:
        self.models = models
        self.responses = SharedResponses(fresh_seconds, clock)
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._shared = shared or new_shared_resources(models, settings, metrics, clock, ThreadPool().start)
        self._identifying: dict[tuple[str, str], asyncio.Task[tuple[AccountClients, str]]] = {}
        self._cells: dict[tuple[str, str, str], ScopeApi] = {}
        self.budgets = self._shared.budgets
        self.default_region = self._shared.clients.default_region

    def with_settings(self, settings: Aws, accounts: Iterable[Account], fresh_seconds: float) -> Gateway:
        """Return the gateway of the next configuration. It shares the budgets, whose share changes at once.

        Clients and credentials are kept unless their account or a time-out changes. Workers of a removed account stay
        while one of their calls runs, because it uses a thread.
        """
        shared, kept = self._shared, tuple(accounts)
        shared.budgets.set_share(settings.api_budget)
        shared.clients.keep(kept)
        shared.keep_workers({account.name for account in kept})
        if not shared.clients.has_client_settings(settings):
            clients = _new_clients(self.models, settings, self._metrics, self._clock, self.budgets)
            shared = replace(shared, clients=clients)
        return Gateway(self.models, settings, self._metrics, self._clock, fresh_seconds, shared)

    def is_offered(self, kind: Kind[Any], region: str) -> bool:
        """Return whether AWS offers the services of a kind in a Region, as far as botocore knows."""
        return all(self.models.is_offered(service, region) for service in {call.service for call in kind.calls})

    @property
    def deadline(self) -> float:
        """Seconds that one call may take with all its attempts. botocore's time-outs restart with every read."""
        return self._settings.max_attempts * (self._settings.connect_timeout + self._settings.read_timeout)

    @property
    def file_settings(self) -> FileSettings:
        """How the files behind presigned links are read."""
        timeouts = self._settings.connect_timeout, self._settings.read_timeout
        return FileSettings(*timeouts, self._shared.clients.verify(), endpoint_origins(SERVICES_OF_LINKS))

    async def connect(self, account: Account, region: str, kind: str = "") -> ScopeApi:
        """Return the API of one cell, whose scope has the account id. Raises ApiError.

        Without a kind, the calls are about the account, such as those that read its Regions.
        """
        known = self._cells.get((account.name, region, kind))
        if known and known.clients.can_serve(known.scope):
            return known
        task = self._identifying.get((account.name, region))
        # One call reads the account id for all kinds of a scope.
        if task is None or task.done():
            task = asyncio.create_task(self._identify(account, region))
            self._identifying[account.name, region] = task
        clients, account_id = await asyncio.shield(task)
        workers = self._workers(account, region, kind)
        api = ScopeApi(self, Scope(account.name, account_id, region), kind, clients, workers, (0, 0.0))
        self._cells[account.name, region, kind] = api
        return api

    def monotonic(self) -> float:
        """Return the monotonic seconds of the clock."""
        return self._clock.monotonic()

    async def _identify(self, account: Account, region: str) -> tuple[AccountClients, str]:
        def identify() -> tuple[AccountClients, str]:
            clients = self._shared.clients.account_clients(account)
            return clients, clients.account_id(region)

        cause = partial(self._shared.clients.timeout_error, account)
        return await self._workers(account, region, "").run(identify, self.deadline, cause)

    def _workers(self, account: Account, region: str, kind: str) -> Workers:
        return self._shared.workers.setdefault((account.name, region, kind), Workers(AT_ONCE, self._shared.start))


def new_shared_resources(
    models: Models, settings: Aws, metrics: ApiMetrics, clock: Clock, start: Start
) -> SharedResources:
    """Return full budgets and new clients. ``start`` starts each call."""
    budgets = Budgets(settings.api_budget, clock)
    return SharedResources(budgets, start, _new_clients(models, settings, metrics, clock, budgets))


def _new_clients(models: Models, settings: Aws, metrics: ApiMetrics, clock: Clock, budgets: Budgets) -> ClientPool:
    return ClientPool(models, settings, CONNECTIONS, partial(Recorder, budgets, metrics), clock)


@dataclass(frozen=True, slots=True)
class ScopeApi:
    """The API of one scope, as a kind uses it. Calls with a smaller ``priority`` go first."""

    gateway: Gateway
    scope: Scope
    kind: str
    clients: AccountClients
    workers: Workers
    priority: Priority

    def with_priority(self, priority: Priority) -> ScopeApi:
        """Return the same API with another priority for its calls."""
        return replace(self, priority=priority)

    async def call(self, call: ApiCall, **parameters: Any) -> Response:
        """Return the response to one call, which waits for its budget. Raises ApiError."""
        if not call.shared:
            return await self._send(call, parameters)
        key = (self.scope, call, tuple(sorted(parameters.items())))
        return await self.gateway.responses.get(key, self.kind, lambda: self._send(call, parameters))

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        """Yield the pages of a list. Raises ApiError: ``malformed`` for a page without the list, or a repeated one."""
        members = self.gateway.models.pagination(call)
        tokens: list[Any] = []
        while len(tokens) < MAX_PAGES:
            next_page = {members.input_token: tokens[-1]} if tokens else {}
            page = await self.call(call, **parameters, **next_page)
            if members.result not in page:
                raise malformed(f"{members.result} is missing")
            yield page
            token = page.get(members.output_token)
            if not token:
                return
            if token in tokens:
                raise malformed(f"{members.output_token} is repeated: the list has no end")
            tokens.append(token)
        raise EndlessListError(Reason.MALFORMED, detail=f"the list has more than {MAX_PAGES} pages")

    async def file(self, link: str, read: Callable[[Iterable[bytes]], Content]) -> Content:
        """Return what ``read`` makes of the chunks of a file behind a presigned link, without credentials.

        It waits for a budget and has the deadline of a call. Raises ApiError, whose text has no part of the link.
        """
        gateway, region = self.gateway, self.scope.region
        await self._wait_for_turn(gateway.budgets.budget(self.scope.account_id, region, FILE))
        end = gateway.monotonic() + gateway.deadline
        settings = gateway.file_settings
        return await self.workers.run(
            lambda: read_file(link, region, settings, read, lambda: gateway.monotonic() < end), gateway.deadline
        )

    async def _send(self, call: ApiCall, parameters: Mapping[str, Any]) -> Response:
        await self._wait_for_turn(self.gateway.budgets.budget(self.scope.account_id, self.scope.region, call))
        send = partial(self.clients.send, call, self.scope, parameters)
        try:
            return await self.workers.run(send, self.gateway.deadline, self.clients.timeout_error)
        except ApiError as error:
            is_unreachable = error.reason is Reason.CONNECTION or _is_connect_timeout(error)
            if is_unreachable and not self.gateway.models.is_offered(call.service, self.scope.region):
                cure = "remove the kind or the Region from the configuration"
                detail = f"AWS does not offer {call.service} in {self.scope.region}; {cure}"
                raise ApiError(Reason.NOT_OFFERED, detail=detail) from error
            raise

    async def _wait_for_turn(self, budget: Budget) -> None:
        await budget.acquire(self.priority)
        # A token that waits for a free slot would be spent in a later burst.
        while not self.workers.has_free_slot:
            budget.bucket.refund()
            await self.workers.wait_for_slot(self.gateway.deadline, self.clients.timeout_error)
            await budget.acquire(self.priority)


def _is_connect_timeout(error: ApiError) -> bool:
    return error.reason is Reason.TIMEOUT and error.code == CONNECT_TIMEOUT


@dataclass(slots=True)
class _SharedCall:
    """A call that is running or done, when it started (monotonic seconds), its readers, and how many of them wait."""

    task: asyncio.Task[Response]
    started: float
    readers: set[str] = field(default_factory=set)
    waiting: int = 0


class SharedResponses:
    """Responses that several kinds need: one call serves all of them, and each reads a response at most once.

    A response is kept for ``seconds`` after its call started.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._calls: dict[Hashable, _SharedCall] = {}

    async def get(self, key: Hashable, reader: str, call: Callable[[], Coroutine[Any, Any, Response]]) -> Response:
        """Return the fresh response of another reader's call, or make the call. Raises what the call raises.

        A reader that calls again wants newer data. A failure is shared with the readers that wait for it, not with
        later ones. A call is cancelled when no reader waits for it any more, so that it takes no token of the budget.
        """
        now = self._clock.monotonic()
        shared = self._calls.get(key)
        if shared is None or reader in shared.readers or not self._is_fresh(shared, now):
            self._calls.pop(key, None)
            self._remove_old(now)
            shared = self._calls[key] = _SharedCall(asyncio.create_task(call()), now)
            shared.task.add_done_callback(_retrieve_exception)
        shared.readers.add(reader)
        shared.waiting += 1
        try:
            # The cancellation of one reader must not cancel the call of the others.
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.task.done():
                self._cancel(key, shared)

    def _cancel(self, key: Hashable, shared: _SharedCall) -> None:
        shared.task.cancel()
        if self._calls.get(key) is shared:
            del self._calls[key]

    def _is_fresh(self, shared: _SharedCall, now: float) -> bool:
        task = shared.task
        has_failed = task.done() and (task.cancelled() or task.exception() is not None)
        return not has_failed and now - shared.started < self._seconds

    def _remove_old(self, now: float) -> None:
        # The dictionary is in the order of the calls: the oldest ones are first.
        for key, shared in list(self._calls.items()):
            if now - shared.started < self._seconds or not shared.task.done():
                return
            del self._calls[key]


def _retrieve_exception(task: asyncio.Task[Response]) -> None:
    # Otherwise asyncio logs a failure that no reader waits for.
    if not task.cancelled():
        task.exception()
