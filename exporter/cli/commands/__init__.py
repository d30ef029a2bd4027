"""The commands, one module each, with ``Arguments``, ``add_arguments(parser)`` and ``run(arguments)``."""
