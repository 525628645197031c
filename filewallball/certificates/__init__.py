"""Makes the servers' certificates and renews them, inside the cluster.

The authority and the certificates are decided about by pure functions (authority.py, leaf.py); cluster.py
reads and writes the Secrets.
"""
