"""The configuration file as frozen, validated values.

What the exporter does with a value does not belong here.
"""
