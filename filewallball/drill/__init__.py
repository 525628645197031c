"""Drills: a named fault under load, and what clients saw of it."""
