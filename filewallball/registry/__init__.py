"""Registries of container images, by the OCI distribution API: which digest a tag means, and pushing."""

from filewallball.registry.client import Registry, RegistryError
from filewallball.registry.reference import Reference

__all__ = ["Reference", "Registry", "RegistryError"]
