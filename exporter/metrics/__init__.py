"""Snapshots as Prometheus text, and as summaries for pages, JSON and terminals.

Nothing here calls AWS or waits.
"""
