"""A refusal: what was not done, why, and what to do next. It changes nothing."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """
    Raised by services when a request cannot be granted; pages show the message, the API answers it as problem+json.

    :param code: stable name for programs, for example `exceeds_available`
    :param message: for people: what, why, what next
    :param status: HTTP status, 409 unless the subject is unknown (404), foreign (403) or malformed (422)
    :param facts: figures that explain the refusal
    """

    def __init__(self, code: str, message: str, *, status: int = 409, **facts: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.facts = str(code), message, status, facts


class NotYours(Refusal):
    """The thing does not exist, or is not this person's to know: the two answer alike."""

    def __init__(self, what: str) -> None:
        super().__init__("not_found", f"There is no such {what}, or it is not yours to see.", status=404)


class NotAllowed(Refusal):
    """The person may see the thing but may not do this with it."""

    def __init__(self, message: str) -> None:
        super().__init__("not_allowed", message, status=403)


class Malformed(Refusal):
    """The input cannot be read. `field` names the part."""

    def __init__(self, message: str, *, field: str = "", code: str = "malformed") -> None:
        super().__init__(code, message, status=422, **({"field": field} if field else {}))
