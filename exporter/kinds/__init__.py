"""The kinds of bulk operation, each described by its API calls, statuses and metrics.

A kind makes no HTTP request and does not import another kind.
"""
