"""Errors, frozen values, the snapshot store, clock, log and threads.

Nothing here knows AWS, HTTP or a kind of operation.
"""
