"""What is due, what is requested from AWS, and what is kept of it.

It does not know boto3, HTTP or files.
"""
