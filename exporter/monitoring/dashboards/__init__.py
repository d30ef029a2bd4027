"""Dashboards for Grafana 10 and newer. They need the exporter's metrics and no recording rules."""
