"""What a request can end with other than its result. `text` is a name in web/texts.toml."""

from __future__ import annotations


class Refused(Exception):
    """What was asked for can't be done; the user is told why."""

    status = 400

    def __init__(self, text: str, *, field: str = "", retry_after: int = 0, **values: object) -> None:
        super().__init__(text)
        self.text = text
        self.field = field
        self.retry_after = retry_after
        self.values = values


class NeedsLogin(Refused):
    status = 401

    def __init__(self) -> None:
        super().__init__("needs_login")


class Forbidden(Refused):
    status = 403


class NotFound(Refused):
    """Also for what is there but is none of the caller's business: nobody learns that it exists."""

    status = 404

    def __init__(self, text: str = "not_found") -> None:
        super().__init__(text)


class Conflict(Refused):
    status = 409


class TooLarge(Refused):
    status = 413


class TooMany(Refused):
    status = 429


class StoreFull(Refused):
    status = 507

    def __init__(self) -> None:
        super().__init__("store_full")


class Unavailable(Refused):
    """A server behind the application is gone or too busy. The message is for the log."""

    status = 503

    def __init__(self, message: str = "", *, retry_after: int = 2) -> None:
        super().__init__("unavailable", retry_after=retry_after)
        self.message = message
