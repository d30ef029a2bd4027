"""A simulated AWS endpoint for the demo, the fire drill and the tests. The exporter does not depend on it."""
