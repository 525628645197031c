"""All that the engine knows of single Kubernetes kinds: one table, and how each kind's state is read."""

from filewallball.engine.kinds.table import Kind, kind_of, of

__all__ = ["Kind", "kind_of", "of"]
