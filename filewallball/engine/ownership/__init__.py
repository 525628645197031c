"""Whose is it? The lock and the record of a stack, the marks on its objects, and what must not be lost."""
