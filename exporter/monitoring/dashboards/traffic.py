"""The panels of what the exporter asks of AWS: requests, errors, budgets, and how long answers take."""

from __future__ import annotations

from typing import Final

from exporter.monitoring.dashboards.drawings import AREAS, HEAT, LINES
from exporter.monitoring.dashboards.panels import Panel, Query, Step, figure
from exporter.monitoring.dashboards.queries import INSTANCE, own, rate

PLACE: Final = f'aws_account_id=~"$account", aws_region=~"$region", {INSTANCE}'
API_NAME: Final = "{{service}} {{api}}"
REQUESTS: Final = rate(own("api_requests_total", PLACE))
ERRORS: Final = rate(own("api_request_errors_total", PLACE))
BUDGET: Final = f"min by (aws_account_id, aws_region, service, api) ({own('api_budget_ratio', PLACE)})"
DURATIONS: Final = rate(own("api_request_duration_seconds_bucket", INSTANCE))
QUANTILES: Final = ((0.95, "95 %"), (0.5, "50 %"))


def refused() -> Panel:
    """Return the share of requests that fail."""
    return figure(
        "Requests that fail",
        "The share of HTTP attempts against AWS's APIs that fail.",
        f"(sum({ERRORS}) or 0 * sum({REQUESTS})) / (sum({REQUESTS}) > 0)",
        "percentunit",
        steps=(Step(None, "green"), Step(0.01, "yellow"), Step(0.1, "red")),
        decimals=1,
        no_value="No request",
    )


def requests() -> Panel:
    """Return the requests to each API."""
    return Panel(
        title="Requests",
        description="HTTP attempts against AWS's APIs, retries counted, of all exporters together.",
        drawing=AREAS,
        queries=(Query(f"sum by (service, api) ({REQUESTS})", API_NAME),),
        unit="reqps",
        width=8,
        least=0,
    )


def errors() -> Panel:
    """Return the requests to each API that failed, by code."""
    return Panel(
        title="Errors",
        description="HTTP attempts that failed, by AWS's error code or the class of the failure.",
        drawing=AREAS,
        queries=(Query(f"sum by (service, api, code) ({ERRORS})", API_NAME + " {{code}}"),),
        unit="reqps",
        width=8,
        no_value="None",
        least=0,
    )


def budgets() -> Panel:
    """Return the budget of each API."""
    return Panel(
        title="Budget",
        description="The share of AWS's quota that the exporter allows itself; throttling halves it for a while.",
        drawing=LINES,
        queries=(Query(BUDGET, "{{aws_account_id}} {{aws_region}} " + API_NAME),),
        unit="percentunit",
        width=8,
        least=0,
        most=1,
    )


def latencies() -> Panel:
    """Return how the time to answer spreads."""
    return Panel(
        title="Time to answer",
        description="How long HTTP attempts took, by the bounds of the buckets.",
        drawing=HEAT,
        queries=(Query(f"sum by (le) ({DURATIONS})", "{{le}}"),),
        unit="s",
        width=12,
    )


def quantiles() -> Panel:
    """Return how long each API took to answer."""
    by_api = f"sum by (le, service, api) ({DURATIONS})"
    return Panel(
        title="Time to answer by API",
        description="The time that 95 and 50 of 100 HTTP attempts did not exceed.",
        drawing=LINES,
        queries=tuple(
            Query(f"histogram_quantile({share}, {by_api})", f"{API_NAME} {name}") for share, name in QUANTILES
        ),
        unit="s",
        width=12,
        least=0,
    )
