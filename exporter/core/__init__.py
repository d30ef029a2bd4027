"""Errors, frozen values, the snapshot store, clock, log and threads.

Nothing here depends on AWS, HTTP or a kind of operation.
"""
