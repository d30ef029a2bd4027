"""Load tests of ``serve`` for several minutes: memory must not grow, and no response may be wrong."""
