"""Smoke checks: proof, taken inside the cluster, that the cache, the database and the backups really work."""
