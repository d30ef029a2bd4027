"""Puts one configuration together as a running exporter, and replaces it on a reload.

It does not parse flags.
"""
