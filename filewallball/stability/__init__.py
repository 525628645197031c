"""Before and after maintenance of Redis and Valkey: state, load, comparison, logical backups.

A target is a stand-alone server, a Sentinel set or a Redis Cluster; which of them it is, its servers say.
"""
