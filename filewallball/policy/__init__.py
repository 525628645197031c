"""Runs the project's policy pack over a rendered stack, or over an exported state."""
