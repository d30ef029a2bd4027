"""Flags, one module for each command, and terminal output.

The packages below do not read flags and do not print.
"""
