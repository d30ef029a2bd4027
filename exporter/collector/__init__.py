"""Refreshes of cells: what is due, what is requested from AWS, and which operations are kept.

This package does not use boto3, HTTP or files.
"""
