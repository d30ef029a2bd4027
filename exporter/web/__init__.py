"""HTTP: routes, the listener, TLS and passwords, the JSON API and the status page.

It does not call AWS.
"""
