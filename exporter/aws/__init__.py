"""Sessions, credentials, quota budgets and calls.

Only this package uses boto3 and botocore.
"""
