"""Errors that a user can cause and mend: printed as one message with a hint, never as a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something outside the program is wrong. `hint` says what to do about it. Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(UserError):
    """Usage or configuration is wrong, and nothing has been changed. Exit code 2."""

    exit_code = 2
