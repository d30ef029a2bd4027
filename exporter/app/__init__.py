"""One configuration as a running exporter, and its replacement on a reload.

This package does not parse flags.
"""
