"""Snapshots of the session set in the stack's store: taken, proven, listed, and restored from."""
