"""What survives a restart, and what becomes of it on a bad disk."""
