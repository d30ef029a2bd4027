"""API calls per scrape, compared to an exporter that describes every operation in each scrape."""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import harness

ACTIVE, FINISHED = 5, 95
SCRAPES = 10
MIN_AGE = 0.4
REQUESTS = "aws_iot_bulk_exporter_api_requests_total{"
SCENARIO = f"""
accounts: ["111122223333"]
quotas: false
latency: 50ms
operations:
  - {{kind: thing_registration_task, id: a, count: {ACTIVE}, region: eu-west-1, items: 100,
     timeline: [{{at: 0s, status: InProgress}}, {{at: 7d, done: 1.0}}]}}
  - {{kind: thing_registration_task, id: f, count: {FINISHED}, region: eu-west-1, items: 100, created: -1h,
     timeline: [{{at: 0s, status: InProgress}}, {{at: 1m, status: Completed, done: 1.0, failed: 0.1}}]}}
"""
CONFIG = """
accounts: [{account_id: "111122223333", regions: [eu-west-1], watch: [{kind: thing_registration_task, discover: true}]}]
refresh: {min_age: 400ms}
aws: {api_budget: 1.0}
"""


def report() -> str:
    """Return the calls of one scrape, of six concurrent scrapes, and of the reference."""
    with harness.simulated_exporter(SCENARIO, CONFIG) as port:
        before = _requests(harness.scrape(port, timeout=120))
        for _ in range(SCRAPES):
            time.sleep(MIN_AGE)
            after = _requests(harness.scrape(port))
        time.sleep(MIN_AGE)
        with ThreadPoolExecutor(6) as pool:
            concurrent = max(pool.map(lambda _: _requests(harness.scrape(port)), range(6))) - after
    reference, calls = ACTIVE + FINISHED, (after - before) / SCRAPES
    return harness.table(
        (f"{ACTIVE} active and {FINISHED} finished tasks, calls", "figure", "ratio"),
        [
            ("describe every id with each scrape", f"{reference}", "1.00"),
            ("`serve`, each scrape: the active ones and 2 lists", f"{calls:.1f}", f"{calls / reference:.2f}"),
            ("`serve`, six scrapes at once, together", f"{concurrent:.0f}", f"{concurrent / reference / 6:.2f}"),
        ],
    )


def _requests(text: str) -> float:
    return harness.total(text, REQUESTS)
