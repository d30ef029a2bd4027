"""Sessions, credentials, quota budgets and calls.

boto3 and botocore are used here and not elsewhere.
"""
