"""AWS: sessions and clients, budgets, the table of errors. boto3 and botocore live only here."""
