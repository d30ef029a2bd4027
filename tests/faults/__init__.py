"""The fault matrix: every fault on every call of every kind, against the real exporter."""
