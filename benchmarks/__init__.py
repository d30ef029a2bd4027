"""Benchmarks. Each one measures the exporter and its reference in the same run. ``make bench`` runs them."""
