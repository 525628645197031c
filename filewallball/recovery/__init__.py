"""Bringing the database back from a backup, in such a way that it can only become better."""
