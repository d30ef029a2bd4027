"""What survives a restart: operations of which nothing can change any more, in a file that may vanish at any time."""
