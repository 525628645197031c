"""Keeps places free in Redis, Valkey and Sentinels, which know no reserve of their own.

Applications get their share of a server's connections. What goes beyond it is closed, so that probes, agents,
Sentinels, replicas, checks and backups always get in.
"""
