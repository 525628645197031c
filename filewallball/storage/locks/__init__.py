"""Locks by name, with fencing tokens: in a folder, or on Redis and Valkey, there for asyncio as well."""
