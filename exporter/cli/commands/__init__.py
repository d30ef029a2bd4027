"""The commands, one module each, with ``add_arguments(parser)`` and ``run``, which gets the parsed arguments."""
