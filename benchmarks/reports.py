"""The benchmarks by name, each with its title and the function that runs it and returns its table."""

from collections.abc import Callable, Mapping

from benchmarks import (
    calls,
    capacity,
    cpu,
    disk,
    failures,
    failures_graph,
    fill,
    hanging_scope,
    many_cells,
    organization,
    page_latency,
    rendering,
    restart,
    scopes,
    series,
    start,
)

REPORTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "start": ("Start and memory", start.report),
    "calls": ("API calls per scrape", calls.report),
    "fill": ("The first fill", fill.report),
    "disk": ("The state file", disk.report),
    "failures": ("Failed items", failures.report),
    "hanging": ("A scope that hangs", hanging_scope.report),
    "answering": ("AWS hangs everywhere", page_latency.report),
    "cells": ("The pages of an organization", many_cells.report),
    "rendering": ("The text of /metrics", rendering.report),
    "restart": ("A restart with finished operations", restart.report),
    "series": ("Series in Prometheus", series.report),
    "graph": ("The graph of failures", failures_graph.report),
    "scopes": ("Many scopes", scopes.report),
    "capacity": ("Capacity", capacity.report),
    "organization": ("An organization", organization.report),
    "accounts": ("Fifty accounts", organization.named_report),
    "cpu": ("CPU of an API call", cpu.report),
}
