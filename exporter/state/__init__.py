"""The state file, which keeps finished operations across restarts.

Its failures do not reach a scrape.
"""
