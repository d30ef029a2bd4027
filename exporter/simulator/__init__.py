"""An AWS endpoint for the demo, tests and fire drills: operations go by a scenario, and so do faults."""
