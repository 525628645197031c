"""The store on a disk of this machine."""

from filewallball.storage.disk.backend import DiskBackend

__all__ = ["DiskBackend"]
