from __future__ import annotations

from typing import Any

from portal.core.errors import Refusal

from .states import RefusalCode


class LedgerRefusal(Refusal):
    """A move the ledger refused; `code` is a `RefusalCode`. Nothing was written."""

    def __init__(self, code: RefusalCode, message: str, *, status: int = 409, **facts: Any) -> None:
        super().__init__(code, message, status=status, **facts)
        self.code: RefusalCode = code
