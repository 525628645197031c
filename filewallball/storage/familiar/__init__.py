"""The names under which the project's first documents know the storage: thin, on top of `Storage`."""
