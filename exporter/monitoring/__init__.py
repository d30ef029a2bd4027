"""Alerts, recording rules and dashboards that the command ``show`` prints as files.

The running exporter does not use this package.
"""
