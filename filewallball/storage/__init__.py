"""What applications use of the stack. Imports nothing else of this project."""
