"""Helpers that several test folders share. tests/README.md lists them."""
