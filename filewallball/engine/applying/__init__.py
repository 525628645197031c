"""What becomes of each resource: written down, previewed, applied, or deleted."""
