"""Flags, one module for each command, and terminal output."""
