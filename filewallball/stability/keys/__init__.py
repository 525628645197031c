"""Logical backups of a Redis or Valkey deployment: every key as a RESTORE command, in pieces, in a store."""
