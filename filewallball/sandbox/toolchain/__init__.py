"""Builds the programs of the sandbox from Go modules pinned by go.mod and go.sum, once, into the cache."""

from filewallball.sandbox.toolchain.build import Binaries, binaries

__all__ = ["Binaries", "binaries"]
