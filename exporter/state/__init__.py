"""The state file, which keeps final operations across restarts.

Its failures do not affect a scrape.
"""
