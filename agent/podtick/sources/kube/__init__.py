"""The Kubernetes API server: which pods this node has, and who their containers are.

Only `client.py` imports `kubernetes`, which takes 20 MiB and most of a second: whoever needs no API server never loads
it.
"""
