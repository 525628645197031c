"""The one reader of a project's Pulumi.yaml and of its stacks' files, for every command."""

from filewallball.project.reading import Project, StackConfig, load_project, load_stack

__all__ = ["Project", "StackConfig", "load_project", "load_stack"]
