"""A Prometheus exporter for the bulk operations of AWS IoT."""

__version__ = "0.1.0"
