"""What watches the metrics: one table of alerts, printed for Prometheus and for Grafana."""
