"""A simulated AWS endpoint for the demo, the fire drill and tests.

The exporter itself does not depend on it.
"""
