"""The embedded engine: runs a Pulumi program against Kubernetes without the Pulumi CLI."""

from filewallball.engine.program.graph import Graph
from filewallball.engine.run import Options, destroy, preview, render, up
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Result

__all__ = ["Graph", "Options", "Reporter", "Result", "destroy", "preview", "render", "up"]
