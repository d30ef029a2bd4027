"""The kinds of bulk operation and what describes one: API calls, statuses, metrics.

A kind makes no HTTP request and does not know the other kinds.
"""
