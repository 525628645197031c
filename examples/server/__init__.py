"""A server that keeps its cache, locks and snapshots on its own disk."""
