"""Alerting rules, recording rules and dashboards as files to print.

The running exporter does not use them.
"""
