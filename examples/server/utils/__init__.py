"""The managers, each under the module that the project's first documents name."""
