"""An application that imports the storage by the names of the project's first documents."""
